"""Looks at all lists of a night, shard by shard, while they are being loaded where nobody sees them."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from recommender_job.config import Config
from recommender_job.errors import OutputRefused
from recommender_job.publishing.checks import Contract, check_lists, check_plan
from recommender_job.publishing.popular import popular
from recommender_job.publishing.sides import Live, Side, Sides
from recommender_job.publishing.whole import Whole, lists_by_default
from recommender_job.ratings.extract import EXPERIENCE_RULES
from recommender_job.scoring.rules import GROUP_NUMBER
from recommender_job.scoring.score import lists_file
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.checksum import checksum
from recommender_job.tables import EXPERIENCE, LISTS, checked

SCORE_AGAIN = "Nothing was switched. Clear `score` (all shards) and what follows."


@dataclass(frozen=True)
class Night:
    """What is to be published.

    Args:
        config: Settings.
        folder: The run folder.
        experiences: The planned ones.
        scored: The summary of each shard that holds users.
        count: How many shards there are in all.
        erased: Users who may not come back, shape [k].
    """

    config: Config
    folder: RunFolder
    experiences: pd.DataFrame
    scored: dict[int, dict[str, Any]]
    count: int
    erased: NDArray[np.int64]

    @property
    def users(self) -> int:
        """How many users were scored; those for whom nothing was left have no list."""
        return sum(summary["users"] for summary in self.scored.values())

    @property
    def rows(self) -> int:
        """How many rows their lists have."""
        return sum(summary["rows"] for summary in self.scored.values())

    def lists(self, shard: int) -> tuple[pa.Table, str]:
        """A shard's lists, of `tables.LISTS` by their columns and types, and their checksum.

        Raises:
            OutputRefused: They are not what was scored.
            ArtifactBroken: The file is missing or damaged.
        """
        table, summary = self.folder.read_table(lists_file(shard)), self.scored[shard]
        if len(table) != summary["rows"]:
            told = f"A shard wrote {summary['rows']} rows but its file holds {len(table)}."
            raise OutputRefused(told, action=SCORE_AGAIN)
        # A table without rows shows its columns' types; one with nulls breaks the contract by them.
        whole = any(column.null_count for column in table.columns)
        checked((table if whole else table.slice(0, 0)).to_pandas(), LISTS)
        found = checksum(table)
        # A shard that an older version scored has no checksum.
        if summary.get("checksum") not in (None, found):
            raise OutputRefused(f"Shard {shard} wrote other rows than its file holds.", action=SCORE_AGAIN)
        return table, found


@dataclass(frozen=True)
class Checked:
    """What came of it.

    Args:
        checksums: Of each shard's lists.
        default: The default list, as `popular` returns it.
        figures: Of all lists, as `Whole` tells them.
        by_default: Counts the different lists that the default list would make.
    """

    checksums: dict[int, str]
    default: pd.DataFrame
    figures: dict[str, Any]
    by_default: Callable[[], int]


def check_night(night: Night, live: Future[Live], scratch: Path, stop: threading.Event) -> Checked:
    """Holds plan and lists to the contract.

    Args:
        night: What is to be published.
        live: The lists that are live now; waited for when the plan has been checked.
        scratch: A local folder.
        stop: When it is set, nobody waits for the result any more.

    Raises:
        OutputRefused: They break the contract.
        ArtifactBroken: A file of the run is missing or damaged.
        CancelledError: Nobody waits any more.
    """
    config, experiences = night.config, night.experiences
    sides = Sides(night.folder, list(night.scored), night.count, scratch)
    check_plan(_without_erased(sides, night.erased), experiences, _excluded(config, night.folder))
    scale, cap = (config.rating_min, config.rating_max), config.rules.max_per_group
    contract = Contract(experiences, config.top_n, scale, cap)
    best = functools.partial(popular, sides.totals, experiences, prior=config.popularity_prior, scale=scale)
    whole, known = Whole(scratch / "lists"), live.result()

    def check(shard: int) -> str:
        table, found = night.lists(shard)
        lists, side = table.to_pandas(), sides.of(shard)
        del table
        for users, (own, rated, opt_outs, before) in side.parts(lists, side.rated, side.opt_outs, known.of(shard)):
            if stop.is_set():
                raise CancelledError
            check_lists(checked(own, LISTS), users, rated, opt_outs, contract)
            whole.add(own, before)
        return found

    # What a shard takes is gone before the next one's is there.
    checksums = {shard: check(shard) for shard in night.scored}

    def by_default() -> int:
        order = best(n=len(experiences)).merge(experiences[[EXPERIENCE, GROUP_NUMBER]], on=EXPERIENCE)
        default_lists = scratch / "default"
        return lists_by_default(order, sides.left_out(), night.users, config.top_n, default_lists, max_per_group=cap)

    default = best(n=config.top_n, max_per_group=cap)
    return Checked(checksums, default, whole.figures(known.publication_id, known.share), by_default)


def _without_erased(sides: Sides, erased: NDArray[np.int64]) -> Iterator[Side]:
    """Keeps users who were erased since the run extracted from coming back; whoever erases holds the same lock."""
    back: list[NDArray[np.int64]] = []
    for side in sides:
        back.append(side.planned[np.isin(side.planned, erased)])
        yield side
    users = np.sort(np.concatenate(back))
    if len(users):
        raise OutputRefused(
            f"{len(users)} users of this run were erased after it read them, the first is user {users[0]}.",
            action="Nothing was switched. Clear `extract` and what follows.",
        )


def _excluded(config: Config, folder: RunFolder) -> set[int]:
    table = folder.read_frame(EXPERIENCE_RULES)
    return {*config.rules.excluded, *table.loc[table["is_excluded"], EXPERIENCE].tolist()}
