"""Exactly the lists that keep the contract pass, whatever the rules and whatever is wrong."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from recommender_job.errors import OutputRefused
from recommender_job.publishing.checks import Contract, check_lists
from tests.publishing.contracts import contract, frame
from tests.scoring.reference import walk


def is_good(rows: list[tuple[Any, ...]], users: list[int], out: set[tuple[int, int]], held: Contract) -> bool:
    """The contract in plain words."""
    ids = held.experiences["experience_id"].tolist()
    group = dict(zip(ids, held.experiences["group"], strict=True))
    pins = held.experiences.dropna().sort_values("pin")["experience_id"].tolist()
    if {row[0] for row in rows} - set(users):
        return False
    for user in users:
        own = [row[1:] for row in rows if row[0] == user]
        shown = [experience for _, experience, _ in own]
        left = [e for e in ids if (user, e) not in out]
        counts = Counter(group[e] for e in left)
        most = sum(min(count, held.max_per_group or count) for count in counts.values())
        front, _ = walk([e for e in left if e in pins], pins, group.__getitem__, held.max_per_group, held.n)
        fine = (
            [rank for rank, _, _ in own] == list(range(1, len(own) + 1))
            and len(own) == min(most, held.n)
            and len(set(shown)) == len(shown)
            and set(shown) <= set(left)
            and all(1 <= predicted <= 5 for _, _, predicted in own)
            and max(Counter(group[e] for e in shown).values(), default=0) <= (held.max_per_group or len(ids))
            and shown[: len(front)] == front
        )
        if not fine:
            return False
    return True


@given(st.data())
def test_exactly_the_good_ones_pass(data: st.DataObject) -> None:
    ids = [2, 3, 5, 7, 11, 13]
    users = [1, 4, 9]
    held = contract(
        ids=ids,
        group=data.draw(st.lists(st.integers(0, 2), min_size=6, max_size=6), "group"),
        pins=data.draw(st.lists(st.sampled_from(ids), unique=True, max_size=3), "pins"),
        cap=data.draw(st.none() | st.integers(1, 3), "cap"),
        n=data.draw(st.integers(1, 4), "n"),
    )
    some = st.lists(st.tuples(st.sampled_from(users), st.sampled_from(ids)), max_size=12)
    rated, opted = (data.draw(some, name) for name in ("rated", "opt_outs"))
    out = {*rated, *opted}
    group = dict(zip(ids, held.experiences["group"], strict=True))
    pins = held.experiences.dropna().sort_values("pin")["experience_id"].tolist()
    rows: list[tuple[Any, ...]] = []
    for user in users:
        order = [e for e in data.draw(st.permutations(ids), f"order of {user}") if (user, e) not in out]
        front, others = walk(order, pins, group.__getitem__, held.max_per_group, held.n)
        rows += [(user, rank, e, 3.0) for rank, e in enumerate([*front, *others], 1)]
    for place in data.draw(st.lists(st.integers(0, max(0, len(rows) - 1)), max_size=2), "changed") if rows else []:
        user, rank, experience, predicted = rows[place]
        rows[place] = data.draw(
            st.sampled_from(
                [(user, rank, other, predicted) for other in ids]
                + [(user, rank + 1, experience, predicted), (user, rank, experience, 5.5), (4, rank, experience, 1.0)]
            )
        )
    rows = sorted(rows, key=lambda row: row[:2])[: data.draw(st.integers(len(rows) - 1, len(rows)), "kept")]
    columns = ["user_id", "experience_id"]
    frames = [pd.DataFrame(pairs, columns=columns, dtype="int64") for pairs in (rated, opted)]
    try:
        check_lists(frame(rows), np.array(users), *frames, held)
        passed = True
    except OutputRefused:
        passed = False
    assert passed == is_good(rows, users, out, held)
