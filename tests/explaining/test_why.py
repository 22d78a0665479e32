"""Explanations lead to the very lists that scoring made, and name the step at which an experience was dropped."""

from __future__ import annotations

from typing import Any

import pytest

from recommender_job import nightly
from recommender_job.errors import ArtifactBroken, NotPublished
from recommender_job.explaining.why import why
from tests.explaining.conftest import (
    ENDED,
    EXCLUDED,
    INACTIVE,
    INACTIVE_USER,
    LATER,
    OTHER_TWIN,
    PINNED,
    TWIN,
    UNRATED_USER,
    Explained,
)


def users(explained: Explained) -> list[int]:
    rows = explained.rows("select distinct user_id from recommender.recommendations order by 1")
    return [row["user_id"] for row in rows]


def dropped_at(story: dict[str, Any]) -> list[tuple[str, str]]:
    return [(step["stage"], step["told"]) for step in story["steps"] if not step["passed"]]


def test_every_list_is_what_its_explanation_leads_to(explained: Explained) -> None:
    assert len(users(explained)) > 40
    for user in users(explained)[::3]:
        story = explained.why(user)
        assert [step["stage"] for step in story["steps"]] == ["extract", "clean", "candidates", "publish"]
        assert all(step["passed"] for step in story["steps"]), story["steps"]
        shown = explained.rows(
            "select experience_id from recommender.recommendations where user_id = :user order by rank", user=user
        )
        assert [row["experience_id"] for row in story["list"]] == [row["experience_id"] for row in shown]


def test_every_experience_has_the_rank_that_is_shown_or_one_step_that_dropped_it(explained: Explained) -> None:
    fates = set()
    for user in users(explained)[:3]:
        ranks = {row["experience_id"]: row["rank"] for row in explained.why(user)["list"]}
        for row in explained.rows("select experience_id from website.experiences"):
            story = explained.why(user, row["experience_id"])
            assert story["rank"] == ranks.get(row["experience_id"])
            assert bool(dropped_at(story)) == (story["rank"] is None), story
            fates |= {stage for stage, _ in dropped_at(story)[:1]}
    assert fates == {"plan", "rules", "candidates", "score"}


@pytest.mark.parametrize(
    ("experience", "told"),
    [
        (INACTIVE, "It is inactive."),
        (ENDED, "It was only offered until 2023-12-31 10:00 UTC."),
        (LATER, "It was only offered from 2024-02-01 00:00 UTC on."),
        (EXCLUDED, "A rule excludes it from all lists."),
    ],
)
def test_what_is_not_offered_is_dropped_by_the_plan(explained: Explained, experience: int, told: str) -> None:
    user = next(one for one in users(explained) if not has_rated(explained, one, experience))
    story = explained.why(user, experience)
    assert dropped_at(story) == [("plan", told)]
    assert story["verdict"] == f"It is not in the list made for this user: {told} (`plan`)"


def test_what_the_user_has_rated_names_the_rating(explained: Explained) -> None:
    [row] = explained.rows(
        "select user_id, experience_id, rating from website.ratings where experience_id > 10"
        " and user_id in (select user_id from recommender.recommendations) order by 1, 2, rated_at desc limit 1"
    )
    [(stage, told)] = dropped_at(explained.why(row["user_id"], row["experience_id"]))
    assert stage == "rules"
    assert told.startswith(f"The user rated it {row['rating']:g} on 202")


def test_an_opt_out_drops_it_while_it_holds(explained: Explained) -> None:
    user = next(one for one in users(explained) if one % 2 == 0 and not has_rated(explained, one, 8))
    assert dropped_at(explained.why(user, 8)) == [("rules", "The user does not want it recommended.")]
    other = next(one for one in users(explained) if not has_rated(explained, one, 9))
    assert "rules" not in dict(dropped_at(explained.why(other, 9)))


def test_a_pinned_experience_says_so(explained: Explained) -> None:
    user = next(one for one in users(explained) if not has_rated(explained, one, PINNED))
    story = explained.why(user, PINNED)
    assert story["rank"] == 1
    assert any("(pinned, relevance" in step["told"] and "place 1 of" in step["told"] for step in story["steps"])


def test_the_second_of_a_full_group_is_dropped_there(explained: Explained) -> None:
    told = [
        told
        for user in users(explained)[:12]
        for twin in (TWIN, OTHER_TWIN)
        for stage, told in dropped_at(explained.why(user, twin))
        if stage == "candidates"
    ]
    assert any("1 of its group 'twins' stand before it" in one for one in told)


@pytest.mark.parametrize(
    ("user", "told"),
    [
        (123_456_789, "The source did not hold the user."),
        (INACTIVE_USER, "The user is inactive: such users get no list; 1 ratings were read."),
    ],
)
def test_a_user_without_a_list_is_shown_the_default_list(explained: Explained, user: int, told: str) -> None:
    story = explained.why(user)
    assert story["source"] == "popular"
    assert story["verdict"] == "The default list is shown."
    assert ("extract", told) in dropped_at(story)
    assert len(story["list"]) == 5


def test_a_user_without_ratings_is_told_apart(explained: Explained) -> None:
    assert dropped_at(explained.why(UNRATED_USER)) == [("clean", "0 experiences have a usable rating of the user.")]


def test_the_default_list_is_explained_by_the_experience_not_by_the_user(explained: Explained) -> None:
    default = {row["experience_id"]: row["rank"] for row in explained.why(UNRATED_USER)["list"]}
    first = next(iter(default))
    assert explained.why(UNRATED_USER, first)["verdict"].startswith("It stands at rank 1 of the default list")
    assert explained.why(UNRATED_USER, INACTIVE)["verdict"].endswith("It is inactive. (`plan`)")
    popular = explained.why(UNRATED_USER, next(one for one in range(10, 24) if one not in default))
    assert popular["verdict"].endswith("others are more popular.")


def test_an_unknown_experience(explained: Explained) -> None:
    story = explained.why(users(explained)[0], 999)
    assert dropped_at(story) == [("extract", "The source did not hold the experience.")]
    assert story["rank"] is None


def test_other_settings_than_the_nights_are_noticed(explained: Explained) -> None:
    other = explained.config.model_copy(update={"order_by": "relevance"})
    stories = [why(other, explained.database, user, None, nightly.FINAL) for user in users(explained)[:8]]
    last = [story["steps"][-1] for story in stories]
    assert any(not step["passed"] and "were its settings others?" in step["told"] for step in last)


def test_without_the_runs_folder_it_says_so(explained: Explained, tmp_path: Any) -> None:
    elsewhere = explained.config.model_copy(update={"runs_url": str(tmp_path)})
    with pytest.raises(ArtifactBroken, match="folder of run small-night, which is live, is not in"):
        why(elsewhere, explained.database, 1, None, nightly.FINAL)


def test_before_the_first_night(config: Any, database: Any) -> None:
    with pytest.raises(NotPublished):
        why(config, database, 1, None, nightly.FINAL)


def has_rated(explained: Explained, user: int, experience: int) -> bool:
    sql = "select 1 from website.ratings where user_id = :user and experience_id = :experience limit 1"
    return bool(explained.rows(sql, user=user, experience=experience))
