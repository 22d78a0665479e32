"""Which column of a file is which."""

from __future__ import annotations

from pathlib import Path

import pytest

from recommender_job.errors import BadFile
from recommender_job.ratings.columns import KNOWN, Columns

FILE = Path("some/ratings.csv")
PLAIN = ["user", "experience", "rating", "rated_at"]


def places(header: list[str], *, dates_needed: bool = True, **columns: str) -> dict[str, int]:
    return Columns(**columns).places(header, FILE, dates_needed=dates_needed)


def test_columns_are_found_wherever_they_stand() -> None:
    header = ["channel", "rated_at", "rating", "user", "experience"]
    assert places(header) == {"rated_at": 1, "rating": 2, "user": 3, "experience": 4}


@pytest.mark.parametrize(("role", "name"), [(role, name) for role, names in KNOWN.items() for name in names])
def test_known_names_are_recognised_whatever_their_case_and_blanks(role: str, name: str) -> None:
    header = [f" {name.upper()} " if known == role else known for known in PLAIN]
    assert places(header)[role] == PLAIN.index(role)


def test_a_named_column_wins_over_a_recognised_one() -> None:
    header = ["user", "experience", "rating", "rated_at", "Member"]
    assert places(header, user="member")["user"] == 4


def test_a_file_without_dates_passes_only_where_none_are_needed() -> None:
    assert places(PLAIN[:3], dates_needed=False) == {"user": 0, "experience": 1, "rating": 2}
    with pytest.raises(BadFile) as caught:
        places(PLAIN[:3])
    assert "no column for `rated_at`" in caught.value.cause
    assert "--rated-at" in caught.value.action


@pytest.mark.parametrize("role", PLAIN)
def test_a_column_that_was_asked_for_and_is_missing_is_an_error(role: str) -> None:
    with pytest.raises(BadFile) as caught:
        places(PLAIN, dates_needed=False, **{role: "elsewhere"})
    assert caught.value.cause == (
        f"{FILE} has no column for `{role}`; its header is 'user', 'experience', 'rating', 'rated_at'."
    )
    assert f"--{role.replace('_', '-')}" in caught.value.action
    assert "--delimiter" in caught.value.action


def test_two_candidates_for_one_column_are_not_guessed_between() -> None:
    with pytest.raises(BadFile) as caught:
        places(["user", "item", "experience", "rating", "rated_at"])
    assert "several columns for `experience`" in caught.value.cause
    assert "'item', 'experience'" in caught.value.cause
    assert "--experience" in caught.value.action
    assert places(["user", "item", "experience", "rating", "rated_at"], experience="item")["experience"] == 1


def test_a_header_split_at_the_wrong_character_shows_itself_in_the_error() -> None:
    with pytest.raises(BadFile, match="its header is 'user;experience;rating;rated_at'"):
        places(["user;experience;rating;rated_at"])
