"""Settings that are right each by itself and cannot stand together."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recommender_job.config import Config

#: The most comparisons that the gate makes in a night; they share its significance.
COMPARISONS = 4


def contradiction(config: Config) -> str | None:
    """Why the settings cannot stand together; None where they can."""
    if config.rating_min >= config.rating_max:
        return "rating_min must lie below rating_max"
    if not config.rating_min < config.relevant_rating <= config.rating_max:  # or nobody ever liked anything, or all did
        return "relevant_rating must lie above rating_min, and not above rating_max"
    if isinstance(config.candidates_per_user, int) and config.candidates_per_user < config.top_n:
        return "candidates_per_user must not lie below top_n"
    if config.predict == "candidates" and config.keep_all_predictions:
        return "keep_all_predictions needs predict = all: the rating of every pair is to be kept"
    if (config.predict, config.candidates_per_user, config.order_by) == ("candidates", "all", "predicted_rating"):
        return "candidates_per_user = all needs predict = all, or order_by = relevance: nothing picks any"
    if config.gate.significance / COMPARISONS * (config.evaluation.resamples + 1) <= 1:
        return "gate.significance is too low for so few evaluation.resamples: nothing could be significant"
    return None
