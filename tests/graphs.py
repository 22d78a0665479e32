"""TensorFlow graphs that are kept from one night to the next: to build one takes longer than to train a toy model.

A graph that was used before trains the same weights (tests/ranking/test_training_shared.py).
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from recommender_job.ranking.trainer import TUNABLE, Trainer, Trainers
from recommender_job.settings import ModelConfig

#: So many of the latest; a small one takes some megabytes.
MOST = 16

#: By the ids of users and experiences, the devices and the shape of the model.
kept: dict[tuple[bytes, bytes, str, str], Trainer] = {}


@pytest.fixture(scope="module", autouse=True)
def kept_graphs() -> Iterator[None]:
    """Lets nights use the graphs of earlier ones on the same ids, in all tests where this fixture is imported."""
    build = Trainers.of

    def of(self: Trainers, settings: ModelConfig) -> Trainer:
        if self.spill is not None:
            return build(self, settings)
        shape = settings.model_dump_json(exclude=TUNABLE)
        key = (self._users.ids.tobytes(), self._experiences.ids.tobytes(), self._devices, shape)
        kept[key] = kept.pop(key, None) or build(self, settings)
        if len(kept) > MOST:
            del kept[next(iter(kept))]
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainers, "of", of)
        yield
