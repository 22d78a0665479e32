"""How good lists are: do they hold what users liked, high up; whom do they differ for; what do they show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.tables import EXPERIENCE, RANK, USER


@dataclass(frozen=True)
class ListFigures:
    """Figures of each user who liked something, ascending by id; their means are the usual metrics.

    Args:
        users: Ids, shape [n].
        ndcg: Normalised discounted cumulative gain with yes-or-no relevance.
        recall: Share of what the user liked that stands in the list.
    """

    users: NDArray[np.int64]
    ndcg: NDArray[np.float64]
    recall: NDArray[np.float64]


def list_metrics(lists: pd.DataFrame, liked: pd.DataFrame, *, k: int) -> ListFigures:
    """NDCG and recall of the first k places.

    Args:
        lists: `user_id`, `rank` from 1, `experience_id`; ranks beyond k do not count.
        liked: `user_id`, `experience_id` of held-out pairs that the users liked, each once.
        k: Length of the lists to look at.

    Returns:
        Of every user with at least one liked pair; a user without a list scores 0.
    """
    top = lists[lists[RANK] <= k]
    hits = top.merge(liked[[USER, EXPERIENCE]], on=[USER, EXPERIENCE])
    wanted = liked.groupby(USER).size()
    gains = pd.Series(discounts(k)[hits[RANK].to_numpy() - 1], index=hits.index)
    gain = gains.groupby(hits[USER]).sum().reindex(wanted.index, fill_value=0.0)
    found = hits.groupby(USER).size().reindex(wanted.index, fill_value=0)
    ndcg = gain.to_numpy(np.float64) / ideal_gain(wanted.to_numpy(), k)
    recall = found.to_numpy(np.float64) / wanted.to_numpy()
    return ListFigures(wanted.index.to_numpy(np.int64), ndcg, recall)


def discounts(k: int) -> NDArray[np.float64]:
    """What a hit at ranks 1 to k is worth."""
    return 1.0 / np.log2(np.arange(2, k + 2))


def ideal_gain(liked: NDArray[Any], k: int) -> NDArray[np.float64]:
    """Gain of the best list of k for users who liked so many experiences, one or more each."""
    # Only the first k liked pairs could ever be in a list of k.
    best: NDArray[np.float64] = np.cumsum(discounts(k))[np.minimum(liked, k) - 1]
    return best


def mean_of(values: NDArray[np.float64]) -> float | None:
    """Mean, None without values: JSON has no NaN."""
    return float(values.mean()) if len(values) else None


def coverage(lists: pd.DataFrame, catalogue: int) -> float | None:
    """Share of a catalogue of so many experiences that stands in any list; None for an empty catalogue."""
    return lists[EXPERIENCE].nunique() / catalogue if catalogue else None


def distinct_share(lists: pd.DataFrame) -> float | None:
    """Number of different sets of experiences, as a share of the users with a list; None without lists."""
    users = lists[USER].nunique()
    if not users:
        return None
    sets = lists.sort_values([USER, EXPERIENCE]).groupby(USER, sort=False)[EXPERIENCE].agg(tuple)
    return int(sets.nunique()) / users


def exposure(lists: pd.DataFrame) -> float | None:
    """Share of the lists in which the most shown experience stands; None without lists."""
    users = lists[USER].nunique()
    return int(lists[EXPERIENCE].value_counts().iloc[0]) / users if users else None


def personal_share(lists: pd.DataFrame, rated: pd.DataFrame, *, catalogue: int, k: int) -> tuple[float | None, int]:
    """How many lists differ from another user's by more than what the two have rated.

    Two lists that follow one order, the same for everybody, hold the first experiences of that order that their user
    has not rated. Of what neither has rated, the shorter rest then is a part of the longer one. Each user is compared
    with the next and the next but one, in an order that is drawn.

    Args:
        lists: `user_id`, `experience_id`; k places each, or fewer where a user has rated nearly everything.
        rated: `user_id`, `experience_id` of training pairs. Users without any are not known and do not count.
        catalogue: How many experiences there are.
        k: Length of the lists.

    Returns:
        The share of pairs of users whose lists differ so (None with fewer than two lists), and how many lists counted:
        those of known users who have more than k experiences left to be shown.
    """
    asked = rated[rated[USER].isin(lists[USER].unique())]
    had = {user: set(own) for user, own in asked.groupby(USER)[EXPERIENCE] if catalogue - len(own) > k}
    shown = {user: set(own) for user, own in lists.groupby(USER)[EXPERIENCE] if user in had}
    users = np.random.default_rng(0).permutation(np.array(list(shown), np.int64)).tolist()
    if len(users) < 2:
        return None, len(users)
    differ = []
    for distance in (1, 2):
        for user, other in zip(users, [*users[distance:], *users[:distance]], strict=True):
            if user == other:  # the next but one of two
                continue
            small, large = sorted((shown[user] - had[other], shown[other] - had[user]), key=len)
            differ.append(not small <= large)
    return sum(differ) / len(differ), len(users)


def popularity_bias(lists: pd.DataFrame, popularity: pd.Series) -> float | None:
    """How popular what is shown is, compared with what users choose themselves.

    Args:
        lists: `experience_id` of every place.
        popularity: How often each experience is rated in training, by id.

    Returns:
        Mean popularity over the places, by mean popularity over the ratings: 1 as users choose, above: more popular.
        None without lists.
    """
    if lists.empty:
        return None
    shown = lists[EXPERIENCE].map(popularity).fillna(0).mean()
    return float(shown / np.average(popularity, weights=popularity))


def by_chance(rated: pd.DataFrame, liked: pd.DataFrame, *, catalogue: NDArray[np.int64], k: int) -> ListFigures:
    """What lists drawn by lot from what a user has not rated are expected to score.

    Args:
        rated: `user_id`, `experience_id` of the training pairs of those users, or of more.
        liked: Held-out pairs that the users liked, each once.
        catalogue: Experiences that may be drawn.
        k: Length of the lists.
    """
    wanted = liked.groupby(USER).size()
    had = pd.MultiIndex.from_frame(liked[[USER, EXPERIENCE]]).isin(pd.MultiIndex.from_frame(rated[[USER, EXPERIENCE]]))
    found = liked[liked[EXPERIENCE].isin(catalogue) & ~had]
    reachable = found.groupby(USER).size().reindex(wanted.index, fill_value=0)
    left = len(catalogue) - rated.groupby(USER).size().reindex(wanted.index, fill_value=0)
    places = left.clip(upper=k).to_numpy(np.int64)
    # Each place holds a liked experience with the same probability.
    hit = (reachable / left.clip(lower=1)).to_numpy(np.float64)
    gain = np.concatenate([[0.0], np.cumsum(discounts(k))])[places]
    count = wanted.to_numpy()
    return ListFigures(wanted.index.to_numpy(np.int64), hit * gain / ideal_gain(count, k), hit * places / count)
