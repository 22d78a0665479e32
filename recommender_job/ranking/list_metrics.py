"""How good lists are: do they hold what users liked, high up, and how much of the catalogue do they show."""

from __future__ import annotations

import numpy as np
import pandas as pd

from recommender_job.tables import EXPERIENCE, RANK, USER


def list_metrics(lists: pd.DataFrame, liked: pd.DataFrame, *, k: int, catalogue: int) -> dict[str, float]:
    """NDCG and recall with yes-or-no relevance, and coverage.

    Args:
        lists: `user_id`, `rank` from 1, `experience_id`; ranks beyond k do not count.
        liked: `user_id`, `experience_id` of held-out pairs that the users liked, each once.
        k: Length of the lists to look at.
        catalogue: Number of experiences that could have been recommended.

    Returns:
        `ndcg@k` and `recall@k`, means over the users with at least one liked pair (a user without a list scores 0;
        NaN when nobody liked anything), and `coverage`, the share of the catalogue that stands in any list.
    """
    top = lists[lists[RANK] <= k]
    hits = top.merge(liked[[USER, EXPERIENCE]], on=[USER, EXPERIENCE])
    wanted = liked.groupby(USER).size()
    # Only the first k liked pairs could ever be in a list of k.
    best = np.concatenate([[0.0], np.cumsum(1.0 / np.log2(np.arange(2, k + 2)))])
    gain = (1.0 / np.log2(hits[RANK] + 1.0)).groupby(hits[USER]).sum().reindex(wanted.index, fill_value=0.0)
    found = hits.groupby(USER).size().reindex(wanted.index, fill_value=0)
    return {
        f"ndcg@{k}": float((gain / best[wanted.clip(upper=k)]).mean()),
        f"recall@{k}": float((found / wanted).mean()),
        "coverage": top[EXPERIENCE].nunique() / catalogue if catalogue else float("nan"),
    }
