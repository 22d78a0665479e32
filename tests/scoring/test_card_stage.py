"""What the stage `score` gives to a card; the processor stands for one, as in `test_card`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recommender_job.config import Config
from recommender_job.errors import CardFailed
from recommender_job.ranking.relevance import RelevanceModel
from recommender_job.ranking.trained import TrainedModel
from recommender_job.scoring import card
from recommender_job.scoring.lists import configured_lists
from recommender_job.scoring.plan import plan
from recommender_job.scoring.score import lists_file, predictions_file, score
from recommender_job.storage.artifacts import RunFolder
from tests.scoring.conftest import RUN
from tests.scoring.reference import alone, some_rated


@pytest.mark.parametrize("devices", ["auto", "all_gpus", "cpu"])
def test_a_shard_is_scored_on_what_the_settings_say(
    devices: str,
    extracted: RunFolder,
    settings: Callable[..., Config],
    exact: Callable[..., TrainedModel],
    wanted: Callable[..., RelevanceModel],
    a_card: list[str],
) -> None:
    models = alone(exact(seed=2)), wanted("interactions")
    config = settings(candidates_per_user="all", keep_all_predictions=True, score_devices=devices)
    shards = plan(config, RUN, extracted)["shards"]
    found = []
    for used in (config, settings(candidates_per_user="all", keep_all_predictions=True, score_devices="cpu")):
        for shard in shards:
            score(used, extracted, shard, *models)
        names = [name(shard) for shard in shards for name in (lists_file, predictions_file)]
        found.append(pd.concat([extracted.read_frame(name) for name in names]))
        if used is config:
            assert bool(a_card) == (devices != "cpu")
            a_card.clear()
    assert not a_card
    pd.testing.assert_frame_equal(*found, check_exact=True)
    assert len(found[0]) > 20


def test_lists_of_a_sample_of_users_are_not_worth_a_card(
    settings: Callable[..., Config],
    exact: Callable[..., TrainedModel],
    wanted: Callable[..., RelevanceModel],
    asked: tuple[np.ndarray, np.ndarray],
    a_card: list[str],
) -> None:
    config = settings(candidates_per_user="all", score_devices="auto")
    configured_lists(config, alone(exact()), wanted("factors"), *asked, some_rated(*asked), n=3)
    assert not a_card


def test_a_full_card_is_told_by_the_stage(
    extracted: RunFolder,
    settings: Callable[..., Config],
    exact: Callable[..., TrainedModel],
    wanted: Callable[..., RelevanceModel],
    a_card: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from recommender_job.ranking.tensorflow import tf

    def full(*_: Any, **__: Any) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr(card.OnCard, "every", full)
    config = settings(candidates_per_user="all")
    shard = plan(config, RUN, extracted)["shards"][0]
    with pytest.raises(CardFailed, match="ran out of memory"):
        score(config, extracted, shard, alone(exact()), wanted("factors"))
