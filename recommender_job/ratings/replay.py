"""Judges refused rows once more, by what the settings and the source say today.

Lines of imported files are read again and imported where they can be read now. Rows that a night refused need no
import: they are still in the snapshot, and every night judges them again. Those that the next night will take leave the
quarantine.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from recommender_job.config import Config
from recommender_job.ratings.importer import IMPORTED
from recommender_job.ratings.quarantine import PART_ROWS
from recommender_job.ratings.rejections import as_rows
from recommender_job.ratings.replay_file import read_file_again, reading_is_known
from recommender_job.ratings.usable import split_rejected
from recommender_job.storage.database import Database, Transaction
from recommender_job.storage.source import read_source
from recommender_job.tables import EXPERIENCE, SOURCE_EXPERIENCES, SOURCE_USERS, USER


def replay(
    config: Config,
    database: Database,
    *,
    now: datetime,
    origin: str | None = None,
    date_format: str | None = None,
    timezone: str | None = None,
) -> dict[str, Any]:
    """Judges the rows of one origin, or of all; each file is one transaction, and so are all nights.

    Args:
        config: The scale and the source queries, as they are today.
        database: Where the quarantine and the source are.
        now: Ratings after this moment are refused.
        origin: Only this one.
        date_format: strptime format of the files' times, if they were read by a wrong one.
        timezone: IANA zone of the files' times, if they were read in a wrong one.

    Returns:
        `files`: what `read_file_again` returns, for each; `nights`: `judged` rows of nights, of which the next night
        takes those in `accepted`, and `refused` stay; `unknown`: files of which is not known how they were read, so
        that only importing them again can help.

    Raises:
        BadFile: It is not known how the file of the origin that was asked for was read; or the date format or the zone
            is none.
        SourceBroken: A source query breaks its contract.
    """
    with database.transaction() as transaction:
        origins = transaction.rows(
            "select origin, bool_and(line is null) as of_night from recommender.quarantine"
            " where (cast(:origin as text) is null or origin = :origin) group by origin order by origin",
            origin=origin,
        )
        files = [row["origin"] for row in origins if row["origin"].startswith(IMPORTED) and not row["of_night"]]
        known = [file for file in files if reading_is_known(transaction, file)]
    told = [
        read_file_again(
            database,
            file,
            now=now,
            scale=(config.rating_min, config.rating_max),
            date_format=date_format,
            timezone=timezone,
        )
        for file in (files if origin else known)
    ]
    nights = [row["origin"] for row in origins if row["origin"] not in files]
    return {
        "files": told,
        "nights": _judge_nights(config, database, nights, now),
        "unknown": [] if origin else [file for file in files if file not in known],
    }


def _judge_nights(config: Config, database: Database, nights: list[str], now: datetime) -> dict[str, int]:
    if not nights:
        return {"judged": 0, "accepted": 0, "refused": 0}
    with database.transaction(snapshot=True) as transaction:
        users = read_source(config, transaction, "users", SOURCE_USERS, unique=USER)[USER].to_numpy()
        experiences = read_source(config, transaction, "experiences", SOURCE_EXPERIENCES, unique=EXPERIENCE)
    known_users, known_experiences = np.sort(users), np.sort(experiences[EXPERIENCE].to_numpy())
    judged = accepted = 0
    with database.transaction() as transaction:
        for part in _parts(transaction, nights):
            good, _ = split_rejected(
                as_rows(part["content"]),
                users=known_users,
                experiences=known_experiences,
                scale=(config.rating_min, config.rating_max),
                cutoff=now,
            )
            transaction.run(
                "delete from recommender.quarantine where quarantine_id = any(cast(:ids as bigint[]))",
                ids=part.loc[good.index, "quarantine_id"].tolist(),
            )
            judged += len(part)
            accepted += len(good)
    return {"judged": judged, "accepted": accepted, "refused": judged - accepted}


def _parts(transaction: Transaction, origins: list[str]) -> Iterator[pd.DataFrame]:
    last = 0
    while rows := transaction.rows(
        "select quarantine_id, content from recommender.quarantine"
        " where origin = any(cast(:origins as text[])) and quarantine_id > :last order by quarantine_id limit :most",
        origins=origins,
        last=last,
        most=PART_ROWS,
    ):
        yield pd.DataFrame(rows)
        last = rows[-1]["quarantine_id"]
