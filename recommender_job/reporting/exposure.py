"""How often each experience is recommended beside how often it was rated, and how predicted ratings are spread."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.ratings.clean import CLEAN
from recommender_job.ratings.extract import EXPERIENCES
from recommender_job.scoring.plan import planned_experiences
from recommender_job.scoring.score import lists_file
from recommender_job.storage.artifacts import RunFolder
from recommender_job.tables import EXPERIENCE, NAME, PREDICTED, USER

#: Bins of the scale in which predicted ratings are counted.
BINS = 20


@dataclass(frozen=True)
class Exposure:
    """Places in tonight's lists.

    Args:
        counts: One row for each experience that was rated or recommended: `experience_id`, `name`, `ratings` (pairs),
            `places` in lists; most places first, of equal ones by id.
        users: Users with a list.
        offered: How many experiences may be recommended.
        scores: Predicted ratings in the lists by bin of the scale, shape [BINS].
    """

    counts: pd.DataFrame
    users: int
    offered: int
    scores: NDArray[np.int64]

    @property
    def recommended(self) -> int:
        """How many experiences stand in at least one list."""
        return int((self.counts["places"] > 0).sum())

    def concentration(self, column: str) -> NDArray[np.float64]:
        """The Lorenz curve from the top: share of the `column` held by the first k experiences, shape [m + 1]."""
        ordered = np.sort(self.counts[column].to_numpy(np.float64))[::-1]
        held = np.concatenate([[0.0], np.cumsum(ordered)])
        shares: NDArray[np.float64] = held / max(held[-1], 1.0)
        return shares

    def held_by_top_tenth(self, column: str) -> float:
        """Share of the `column` that the first tenth of the experiences holds."""
        curve = self.concentration(column)
        return float(np.interp(0.1, np.linspace(0, 1, len(curve)), curve))


def exposure_of(folder: RunFolder, shards: list[int], scale: tuple[float, float]) -> Exposure:
    """Counts a run's lists, shard by shard.

    Args:
        folder: The run folder, in which these shards were scored.
        shards: Their numbers.
        scale: Lowest and highest rating.

    Raises:
        ArtifactBroken: A file is missing or damaged.
        StorageFailed: The store fails.
    """
    places: Counter[int] = Counter()
    scores, users = np.zeros(BINS, np.int64), 0
    for shard in shards:
        lists = folder.read_table(lists_file(shard)).select([USER, EXPERIENCE, PREDICTED]).to_pandas()
        places.update(lists[EXPERIENCE].value_counts().to_dict())
        users += int(lists[USER].nunique())
        scores += spread(lists[PREDICTED].to_numpy(), scale)
    ratings = folder.read_table(CLEAN).select([EXPERIENCE]).to_pandas()[EXPERIENCE].value_counts()
    ids = sorted({*places, *map(int, ratings.index)})
    names = folder.read_table(EXPERIENCES).select([EXPERIENCE, NAME]).to_pandas().set_index(EXPERIENCE)[NAME]
    counts = pd.DataFrame(
        {
            EXPERIENCE: ids,
            NAME: [str(names.get(one, f"experience {one}")) for one in ids],
            "ratings": [int(ratings.get(one, 0)) for one in ids],
            "places": [places[one] for one in ids],
        }
    )
    ordered = counts.sort_values(["places", EXPERIENCE], ascending=[False, True])
    return Exposure(ordered, users, len(planned_experiences(folder)), scores)


def spread(predicted: NDArray[Any], scale: tuple[float, float]) -> NDArray[np.int64]:
    """Predicted ratings by bin of the scale, shape [BINS]."""
    return np.histogram(predicted, BINS, scale)[0].astype(np.int64)
