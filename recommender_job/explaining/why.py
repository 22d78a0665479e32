"""Why a user's list is what it is: the way of one experience through the night, step by step."""

from __future__ import annotations

from typing import Any

import pandas as pd

from recommender_job.config import Config
from recommender_job.explaining.night import UserOfNight, user_of_night
from recommender_job.explaining.ranking import (
    FATE,
    GROUP_FULL,
    PICK_PLACE,
    PICKED,
    PREDICTED_PLACE,
    RANK_EXPECTED,
    Picking,
    ranked,
)
from recommender_job.explaining.steps import Step, experience_steps, score_steps, shown_step, user_steps
from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.relevance import RelevanceModel
from recommender_job.scoring.plan import planned_experiences
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database
from recommender_job.tables import EXPERIENCE


def why(config: Config, database: Database, user_id: int, experience_id: int | None, model: str) -> dict[str, Any]:
    """Explains a user's list, or the place of one experience in it.

    The files of the night that is live are read with today's settings: where that night was given others, the last step
    says that what is published differs from what today's settings lead to.

    Args:
        config: Settings.
        database: Where the lists are.
        user_id: The user.
        experience_id: The experience; None explains the whole list.
        model: Name of the final model in the run folder.

    Returns:
        `user_id`, `run_id`, `publication_id`, `cutoff`, `source`, `steps` (`stage`, `passed`, `told`) and `verdict`;
        for a whole list `list`; for one experience `experience_id` and `rank`, None where it is not shown.

    Raises:
        NotPublished: Nothing is live.
        ArtifactBroken: The folder of the run that is live is gone or damaged.
    """
    folder, user = user_of_night(config, database, user_id)
    scored = _scored(config, folder, user, model) if user.has_list else None
    story = {
        "user_id": user_id,
        "run_id": user.live["run_id"],
        "publication_id": user.shown["publication_id"],
        "cutoff": user.live["data_through"],
        "source": user.shown["source"],
    }
    if experience_id is None:
        return story | _whole_list(user, scored)
    return story | _one_experience(config, folder, user, scored, experience_id)


def _scored(config: Config, folder: RunFolder, user: UserOfNight, model: str) -> pd.DataFrame:
    planned = planned_experiences(folder)
    return ranked(
        user.user_id,
        planned,
        user.barred,
        user.ratings,
        Predictor.load(folder, model),
        RelevanceModel.load(folder, model),
        Picking.of(config, user.top_n, len(planned)),
    )


def _whole_list(user: UserOfNight, scored: pd.DataFrame | None) -> dict[str, Any]:
    steps, rows = user_steps(user), user.shown["recommendations"]
    if scored is None:
        return {"steps": _told(steps), "verdict": "The default list is shown.", "list": rows}
    picked, full = ((scored[FATE] == fate).sum() for fate in (PICKED, GROUP_FULL))
    told = f"{len(scored)} experiences may stand in the list; {picked} were picked, {full} stood behind a full group."
    places = scored.set_index(EXPERIENCE)[[PICK_PLACE, PREDICTED_PLACE]]
    listed = [row | places.loc[row[EXPERIENCE]].to_dict() if row[EXPERIENCE] in places.index else row for row in rows]
    expected = scored.dropna(subset=[RANK_EXPECTED]).sort_values(RANK_EXPECTED)[EXPERIENCE].tolist()
    same = expected == [row[EXPERIENCE] for row in rows]
    steps += [Step("candidates", True, told), shown_step(user, same, f"a list of {len(rows)}")]
    return {"steps": _told(steps), "verdict": f"A list of {len(rows)} made for this user is shown.", "list": listed}


def _one_experience(
    config: Config, folder: RunFolder, user: UserOfNight, scored: pd.DataFrame | None, experience_id: int
) -> dict[str, Any]:
    shown = {row[EXPERIENCE]: row["rank"] for row in user.shown["recommendations"]}
    rank, expected = shown.get(experience_id), None
    steps = [*user_steps(user), *experience_steps(config, folder, user, experience_id)]
    if scored is not None:
        for _, row in scored[scored[EXPERIENCE] == experience_id].iterrows():
            steps += score_steps(row, scored, Picking.of(config, user.top_n, len(scored)))
            expected = None if pd.isna(row[RANK_EXPECTED]) else int(row[RANK_EXPECTED])
    told = f"it stands at rank {rank}" if rank else "it is not in the list that is shown"
    steps.append(shown_step(user, scored is None or expected == rank, told))
    verdict = _verdict(steps, rank, has_list=scored is not None)
    return {"experience_id": experience_id, "rank": rank, "steps": _told(steps), "verdict": verdict}


def _verdict(steps: list[Step], rank: int | None, *, has_list: bool) -> str:
    kind = "list made for this user" if has_list else "default list, which is what this user is shown"
    if rank:
        return f"It stands at rank {rank} of the {kind}."
    # What is said of the user decides about having a list, not about the default list.
    dropped = next((step for step in steps if not step.passed and (has_list or step.of_experience)), None)
    why_not = f": {dropped.told} (`{dropped.stage}`)" if dropped else ""
    return f"It is not in the {kind}{why_not or ('.' if has_list else ': others are more popular.')}"


def _told(steps: list[Step]) -> list[dict[str, Any]]:
    return [step.as_dict() for step in steps]
