"""Turns a snapshot into ratings fit for training: refused rows apart, one rating for each pair, the latest.

The refused rows are stored before anything can stop the night. Then the ratings as a whole are judged, and only what is
accepted becomes what later nights are held to. Everything goes by part by part: what is in memory grows with the users
and experiences that there are, and not with their ratings.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from recommender_job.config import Config
from recommender_job.errors import NothingToTrainOn
from recommender_job.ratings import profile, sanity
from recommender_job.ratings.distribution import Distribution
from recommender_job.ratings.extract import EXPERIENCES, USERS
from recommender_job.ratings.known import known_ids
from recommender_job.ratings.quarantine import forget_erased, forget_old
from recommender_job.ratings.rejections import Refused, keep_rejected, refuse_too_many
from recommender_job.ratings.sifting import sift
from recommender_job.ratings.usable import split_rejected
from recommender_job.runs import Run
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.beside import beside
from recommender_job.storage.database import Database
from recommender_job.storage.run_files import batches
from recommender_job.storage.sorting import sorted_rows
from recommender_job.storage.source import spool_writer
from recommender_job.tables import CLEAN_RATINGS, EXPERIENCE, RATING, REFUSED_RATINGS, SOURCE_RATINGS, USER

CLEAN = "clean/ratings.parquet"
REJECTED = "clean/rejected.parquet"

# User and experience are there only to make the order total.
_IN_THE_ORDER_OF_EVENTS = """
    select user_id, experience_id, rating, rated_at from read_parquet($files, hive_partitioning = false)
    order by rated_at, updated_at, user_id, experience_id
"""


def clean(config: Config, run: Run, folder: RunFolder, database: Database) -> dict[str, Any]:
    """Writes the clean ratings and the refused rows; the refused ones also go to `recommender.quarantine`.

    Returns:
        `pairs`: clean ratings; `rejected`: refused rows, by reason in `reasons`; `users`, `experiences` with ratings;
        `sanity`: what `sanity.Verdict.summary` holds.

    Raises:
        ArtifactBroken: A file of the extract is damaged, or the snapshot does not ascend.
        TooManyRefused: More rows were refused than `quarantine.max_share` allows.
        SourceSuspicious: The ratings as a whole are not what the last accepted nights would lead to expect.
        NothingToTrainOn: Not one rating is left.
        ConfigurationError: `extract_memory_mb` does not suffice.
        StorageFailed: The disk is full.
    """
    with folder.scratch("clean/sort") as scratch:
        latest = scratch / "latest.parquet"
        sifted = _sift(config, run, folder, latest)
        refused = sifted.refused
        with database.transaction() as transaction:
            keep_rejected(transaction, run.run_id, (batch.to_pandas() for batch in batches(folder, REJECTED)))
            forget_old(transaction, config.quarantine.keep_days)
            forget_erased(transaction)
        refuse_too_many(refused, sifted.rows, config.quarantine)

        nights = profile.accepted_nights(database, run, config.sanity.nights)
        figures = profile.figures(
            sifted.rated,
            sifted.distribution,
            snapshot_rows=sifted.rows,
            source_rows=(folder.summary_if_finished("extract") or {}).get("source_rows"),
            rejected=refused.rows,
            before=profile.rated_before(config, nights[0], CLEAN, sifted.rated) if nights else None,
        )
        tonight = profile.Night(run.run_id, run.cutoff, figures)
        verdict = sanity.judge(tonight, nights, config.sanity)
        sanity.raise_if_suspicious(verdict, config.sanity)

        if not figures["pairs"]:
            raise NothingToTrainOn(
                f"The snapshot holds no usable rating: {refused.rows} refused"
                f" ({refused.reasons or 'the source is empty'}).",
                action="Look at recommender.quarantine, and at what sql/source/ratings.sql returns for this cutoff.",
            )
        _write_in_the_order_of_events(folder, latest, config.extract_memory_mb, scratch)
    profile.accept(database, tonight)
    return {
        "pairs": figures["pairs"],
        "rejected": refused.rows,
        "reasons": refused.reasons,
        "users": figures["users"],
        "experiences": figures["experiences"],
        "sanity": verdict.summary,
    }


@dataclass(frozen=True)
class _Sifted:
    """What was counted while the snapshot went by; its `rows`, the refused ones, and the latest of each pair."""

    rows: int
    refused: Refused
    rated: profile.Rated
    distribution: Distribution


def _sift(config: Config, run: Run, folder: RunFolder, latest: Path) -> _Sifted:
    """Writes the refused rows, and into a local file the latest rating of each pair, of `tables.SOURCE_RATINGS`."""
    users, experiences = known_ids(folder, USERS, USER), known_ids(folder, EXPERIENCES, EXPERIENCE)
    scale = (config.rating_min, config.rating_max)
    refused, rated, distribution = Refused(), profile.Rated.by_nobody(users, experiences), Distribution(scale)
    with (
        folder.table_writer(REJECTED, REFUSED_RATINGS) as write_refused,
        spool_writer(latest, SOURCE_RATINGS) as writer,
    ):

        def refuse(rows: pd.DataFrame) -> None:
            refused.add(rows)
            if len(rows):  # no empty row groups
                write_refused(pa.Table.from_pandas(rows, REFUSED_RATINGS, preserve_index=False))

        def keep(rows: pd.DataFrame) -> None:
            rated.add(rows[USER].to_numpy(), rows[EXPERIENCE].to_numpy())
            distribution.add(rows[RATING].to_numpy())
            writer.write_table(pa.Table.from_pandas(rows, SOURCE_RATINGS, preserve_index=False))

        split = functools.partial(split_rejected, users=users, experiences=experiences, scale=scale, cutoff=run.cutoff)
        return _Sifted(sift(folder, split, refuse=refuse, keep=keep), refused, rated, distribution)


def _write_in_the_order_of_events(folder: RunFolder, latest: Path, memory_mb: int, scratch: Path) -> None:
    # What `tables.RATINGS` asks for needs no look at the whole: the types are those that are written, and no pair is
    # there twice, because the snapshot ascends and each pair left it once.
    with (
        sorted_rows(_IN_THE_ORDER_OF_EVENTS, [latest], memory_mb=memory_mb, scratch=scratch) as parts,
        folder.table_writer(CLEAN, CLEAN_RATINGS) as write,
        beside(write) as write_beside,
    ):
        for part in parts:
            write_beside(pa.Table.from_batches([part]).cast(CLEAN_RATINGS))
