"""The steps of the night as sentences about one user and one experience."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from recommender_job.config import Config
from recommender_job.explaining.night import UserOfNight
from recommender_job.explaining.ranking import (
    FATE,
    GROUP_FULL,
    PICK_PLACE,
    PICKED,
    PREDICTED_PLACE,
    RANK_EXPECTED,
    RELEVANCE,
    Picking,
)
from recommender_job.ratings.extract import EXPERIENCE_RULES, EXPERIENCES
from recommender_job.scoring.rules import PIN
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.lookup import rows_where
from recommender_job.tables import EXPERIENCE, GROUP, NAME, PREDICTED, RATED_AT, RATING


@dataclass(frozen=True)
class Step:
    """What one stage did.

    Args:
        stage: Its name.
        passed: Whether the experience (or the user) went on.
        told: One sentence.
        of_experience: Whether it is about the experience alone, whoever the user is.
    """

    stage: str
    passed: bool
    told: str
    of_experience: bool = False

    def as_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {"stage": self.stage, "passed": self.passed, "told": self.told}


def user_steps(user: UserOfNight) -> list[Step]:
    """What became of the user's ratings, and whether there is a list."""
    if user.account is None:
        extracted = Step("extract", False, "The source did not hold the user.")
    else:
        active = "active" if user.account["is_active"] else "inactive: such users get no list"
        extracted = Step(
            "extract", bool(user.account["is_active"]), f"The user is {active}; {len(user.snapshot)} ratings were read."
        )
    refused = user.rejected["reason"].value_counts().to_dict()
    told = f"{len(user.ratings)} experiences have a usable rating of the user."
    if refused:
        told += " Refused: " + ", ".join(f"{count} ({reason})" for reason, count in refused.items()) + "."
    return [extracted, Step("clean", len(user.ratings) > 0, told)]


def experience_steps(config: Config, folder: RunFolder, user: UserOfNight, experience_id: int) -> list[Step]:
    """Whether the experience was offered at all, and whether the user could still have it."""
    found = rows_where(folder, EXPERIENCES, experience_id=experience_id)
    if found.empty:
        return [Step("extract", False, "The source did not hold the experience.", of_experience=True)]
    experience, cutoff = found.iloc[0], user.live["data_through"]
    begins, ends = experience["available_from"], experience["available_until"]
    rules = rows_where(folder, EXPERIENCE_RULES, experience_id=experience_id)
    excluded = experience_id in config.rules.excluded or bool(len(rules) and rules.iloc[0]["is_excluded"])
    why_not = None
    if not experience["is_active"]:
        why_not = "It is inactive."
    elif pd.notna(begins) and begins > cutoff:
        why_not = f"It was only offered from {begins:%Y-%m-%d %H:%M} UTC on."
    elif pd.notna(ends) and ends <= cutoff:
        why_not = f"It was only offered until {ends:%Y-%m-%d %H:%M} UTC."
    elif excluded:
        why_not = "A rule excludes it from all lists."
    offered = Step("plan", why_not is None, why_not or "It was offered at the run's cutoff.", of_experience=True)
    return [Step("extract", True, f"It is {experience[NAME]!r}."), offered, _pair_step(user, experience_id)]


def _pair_step(user: UserOfNight, experience_id: int) -> Step:
    rated = user.ratings[user.ratings[EXPERIENCE] == experience_id]
    if len(rated):
        row = rated.iloc[0]
        return Step("rules", False, f"The user rated it {row[RATING]:g} on {row[RATED_AT]:%Y-%m-%d %H:%M} UTC.")
    if experience_id in user.opted_out:
        return Step("rules", False, "The user does not want it recommended.")
    refused = user.rejected[user.rejected[EXPERIENCE] == experience_id]
    if len(refused):
        row = refused.iloc[0]
        told = f"The user rated it, though the rating cannot be used: {row['column_name']} {row['reason']}."
        return Step("rules", False, told)
    return Step("rules", True, "The user has neither rated it nor opted out.")


def score_steps(row: pd.Series, scored: pd.DataFrame, picking: Picking) -> list[Step]:
    """What the models said of the experience, and what picking and ordering made of it.

    Args:
        row: The experience's row of `ranking.ranked`.
        scored: All of them.
        picking: How candidates were picked.
    """
    of = f"of {len(scored)}"
    steps = [
        Step("predict", True, f"Predicted rating {row[PREDICTED]:.3f}, place {row[PREDICTED_PLACE]} {of}."),
    ]
    by = f"relevance {row[RELEVANCE]:.4f}" if picking.by_relevance else "predicted rating"
    pinned = "pinned, " if pd.notna(row[PIN]) else ""
    place = f"In the order of picking ({pinned}{by}) it has place {row[PICK_PLACE]} {of}"
    if row[FATE] == GROUP_FULL:
        told = f"{place}; {picking.max_per_group} of its group {row[GROUP]!r} stand before it."
    elif row[FATE] == PICKED:
        told = f"{place}: it was picked."
    else:
        told = f"{place}; {picking.candidates} were picked before it was reached."
    steps.append(Step("candidates", row[FATE] == PICKED, told))
    if row[FATE] == PICKED:
        listed = pd.notna(row[RANK_EXPECTED])
        told = f"rank {int(row[RANK_EXPECTED])} of the list" if listed else "below the last rank of the list"
        steps.append(Step("score", bool(listed), f"Among the candidates that is {told}."))
    return steps


def shown_step(user: UserOfNight, same: bool, told: str) -> Step:
    """What the website shows, and whether that is what the files of the night lead to."""
    where = f"Publication {user.shown['publication_id']}, source `{user.shown['source']}`: {told}."
    if not same:
        where += " That is not what the night's files and today's settings lead to: were its settings others?"
    return Step("publish", same, where)
