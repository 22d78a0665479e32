"""What the rules make of the eligible experiences, and which opt-outs hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_job.safeguards import RulesConfig
from recommender_job.scoring.groups import without_numbers
from recommender_job.scoring.rules import Rules, offered, opted_out
from recommender_job.tables import SOURCE_EXPERIENCE_RULES, SOURCE_OPT_OUTS

CUTOFF = datetime(2023, 5, 3, tzinfo=UTC)
TICK = timedelta(microseconds=1)
NAMES = {1: "Spa $50.000", 2: "SPA 100", 3: "Cine", 4: "Cena 2 x 1", 5: "Spa", 2**62: "Cena 3 x 1"}


def eligible(names: dict[int, str] = NAMES) -> pd.DataFrame:
    return pd.DataFrame({"experience_id": names.keys(), "name": names.values(), "is_active": True})


def table(*rows: tuple[int, str | None, int | None, bool]) -> pd.DataFrame:
    return frame(SOURCE_EXPERIENCE_RULES, *rows)


def frame(schema: pa.Schema, *rows: tuple[Any, ...]) -> pd.DataFrame:
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema).to_pandas()


def together(found: pd.DataFrame) -> set[frozenset[int]]:
    """The groups as sets of experiences."""
    return {frozenset(own) for _, own in found.groupby("group")["experience_id"]}


def pinned(found: pd.DataFrame) -> list[int]:
    ids = found["experience_id"].to_numpy()
    rules = Rules.of(found, None)
    assert found["pin"].dropna().sort_values().tolist() == list(range(1, len(rules.pinned) + 1))
    return ids[rules.pinned].tolist()


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("Spa $50.000", "spa"),
        ("  SPA   100 ", "spa"),
        ("Spa € 1'000\u2019000,50 COP", "spa cop"),
        ("Bono 1 000 000", "bono"),
        ("Bono \u0661\u0660\u0660", "bono"),
        ("2x1 Cine", "x cine"),
        ("Vale50mil", "vale mil"),
        ("Ñandú", "ñandú"),
        ("100", None),
        ("$ 50.000 - 3", None),
        ("", None),
    ],
)
def test_names_without_their_numbers(name: str, left: str | None) -> None:
    assert without_numbers(name) == left


@given(st.text(st.characters(exclude_categories=["Nd", "Nl", "No", "Sc", "Cs"])), st.integers(0, 10**12))
def test_the_amount_does_not_matter(name: str, amount: int) -> None:
    assert without_numbers(f"{name} ${amount:,}") == without_numbers(f"{name} 7")


def test_without_rules_each_is_alone_and_nothing_is_pinned() -> None:
    found = offered(RulesConfig(), eligible(), table())
    assert list(found.columns) == ["experience_id", "name", "group", "group_name", "pin"]
    assert found["experience_id"].tolist() == list(NAMES)
    assert found["name"].tolist() == list(NAMES.values())
    assert sorted(found["group"]) == list(range(6))
    assert found["group_name"].isna().all()
    assert pinned(found) == []


def test_groups_by_name() -> None:
    found = offered(RulesConfig(group_by_name=True), eligible(), table())
    assert together(found) == {frozenset({1, 2, 5}), frozenset({3}), frozenset({4, 2**62})}
    names = dict(zip(found["experience_id"], found["group_name"].fillna("-"), strict=True))
    assert names == {1: "spa", 2: "spa", 5: "spa", 3: "-", 4: "cena x", 2**62: "cena x"}


def test_the_tables_groups_come_before_the_names() -> None:
    rules = table(
        (1, " Bienestar ", None, False), (3, "bienestar", None, False), (2, "spa", None, False), (5, " ", None, False)
    )
    found = offered(RulesConfig(), eligible(), rules)
    assert together(found) == {frozenset({1, 3}), frozenset({2}), frozenset({4}), frozenset({5}), frozenset({2**62})}
    assert found["group_name"].fillna("-").tolist() == ["Bienestar", "spa", "bienestar", "-", "-", "-"]
    # 5 is the only Spa without a group in the table, and the table's group "spa" is another thing than a name.
    by_name = offered(RulesConfig(group_by_name=True), eligible(), rules)
    assert together(by_name) == {frozenset({1, 3}), frozenset({2}), frozenset({4, 2**62}), frozenset({5})}
    assert by_name.set_index("experience_id")["group_name"].isna().to_dict()[5]
    found = offered(RulesConfig(group_by_name=True), eligible(), table((3, "spa", None, False)))
    assert together(found) == {frozenset({1, 2, 5}), frozenset({3}), frozenset({4, 2**62})}


def test_a_name_that_only_an_excluded_experience_shares_makes_no_group() -> None:
    config = RulesConfig(group_by_name=True, excluded=(1, 2))
    assert frozenset({5}) in together(offered(config, eligible(), table()))


def test_the_configurations_pins_come_first_then_the_tables_by_rank_and_id() -> None:
    rules = table((5, None, 2, False), (2**62, None, 1, False), (3, None, 2, False), (99, None, 1, False))
    assert pinned(offered(RulesConfig(), eligible(), rules)) == [2**62, 3, 5]
    assert pinned(offered(RulesConfig(pinned=(4, 5, 77, 4)), eligible(), rules)) == [4, 5, 2**62, 3]


def test_what_is_excluded_leaves_and_wins_over_a_pin() -> None:
    rules = table((1, "spa", 1, True), (2, "spa", None, False), (3, None, 3, False), (99, None, None, True))
    found = offered(RulesConfig(excluded=(3, 88), pinned=(1, 2)), eligible(), rules)
    assert found["experience_id"].tolist() == [2, 4, 5, 2**62]
    assert pinned(found) == [2]


def test_opt_outs_are_half_open_in_time() -> None:
    rows = [(1, 10, None), (1, 20, CUTOFF), (1, 30, CUTOFF + TICK), (2, 10, CUTOFF - TICK), (2, 20, CUTOFF + TICK)]
    rows += [(2, 20, None), (9, 10, None), (1, 99, None)]
    found = opted_out(frame(SOURCE_OPT_OUTS, *rows), CUTOFF, np.array([1, 2]), np.array([10, 20, 30]))
    assert list(found.itertuples(index=False, name=None)) == [(1, 10), (1, 30), (2, 20)]


def test_no_opt_outs_at_all() -> None:
    found = opted_out(frame(SOURCE_OPT_OUTS), CUTOFF, np.array([1]), np.array([10]))
    assert found.dtypes.astype(str).to_dict() == {"user_id": "int64", "experience_id": "int64"}
    assert found.empty
