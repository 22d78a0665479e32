"""Judges a night's ratings as a whole by the nights before it that were accepted.

Three questions: are there far fewer or far more ratings than expected, are too many users or experiences new, and are
the ratings distributed in another way? What is expected follows the accepted nights: their median, give or take
`max_z` spreads (1.4826 times the median absolute deviation, which is the standard deviation of normal figures), of at
least the configured floor. More time since the last night than usual allows for more that is new, never for less.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender_job.errors import SourceSuspicious
from recommender_job.ratings.distribution import BINS, bins_of
from recommender_job.ratings.profile import Night
from recommender_job.safeguards import SanityConfig

#: A rating that did not occur counts as this share: the index is a sum of logarithms.
EMPTY_SHARE = 1e-4
#: However long ago the last night was, more new users or experiences than this share are not its doing.
MOST_NEW = 0.9
#: The spread of fewer figures says nothing.
_FEWEST_FOR_SPREAD = 3
_NORMAL = 1.4826
_NIGHT = timedelta(days=1)


@dataclass
class Verdict:
    """What a night was held to.

    Args:
        figures: The night's own.
        expected: For each figure that was judged, `value`, `expected`, `low` and `high` (None: no bound).
        violations: A sentence for each figure out of its bounds.
        notes: What could not be judged, and why.
    """

    figures: dict[str, Any]
    compared_with: str | None = None
    expected: dict[str, dict[str, float | None]] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def summary(self) -> dict[str, Any]:
        """As the stage's summary holds it: `figures`, `compared_with`, `expected`, `warnings`, `notes`."""
        return {
            "figures": self.figures,
            "compared_with": self.compared_with,
            "expected": self.expected,
            "warnings": self.violations,
            "notes": self.notes,
        }


def judge(tonight: Night, nights: Sequence[Night], bounds: SanityConfig) -> Verdict:
    """Compares a night with those before it.

    Args:
        tonight: The night.
        nights: Accepted nights before it, the latest first.
        bounds: Settings; with `mode` off nothing is compared.
    """
    verdict = Verdict(tonight.figures)
    if bounds.mode == "off" or not nights:
        verdict.notes.append("switched off (sanity.mode)" if nights else "no night was accepted before this one")
        return verdict
    last = nights[0]
    verdict.compared_with = last.run_id
    measure, now, then = _rows(tonight, last)
    if max(now, then) < bounds.min_rows:
        verdict.notes.append(f"fewer ratings than sanity.min_rows {bounds.min_rows:,}")
        return verdict
    patience = _patience(tonight, nights)
    _judge_rows(verdict, measure, now, then, nights, patience, bounds)
    for key, what in (("new_users_share", "users"), ("new_experiences_share", "experiences")):
        _judge_new(verdict, key, what, last, nights, patience, bounds)
    _judge_distribution(verdict, last, bounds)
    return verdict


def raise_if_suspicious(verdict: Verdict, bounds: SanityConfig) -> None:
    """Ends the night, if so configured.

    Raises:
        SourceSuspicious: Gives each figure beside what was expected.
    """
    if verdict.violations and bounds.mode == "stop":
        raise SourceSuspicious(
            f"The ratings are not what the accepted nights up to {verdict.compared_with} lead to expect:"
            f" {'; '.join(verdict.violations)}.",
            action="Look at the source; if the change is real, accept it once with `sanity.mode=warn`.",
        )


def _rows(one: Night, other: Night) -> tuple[str, int, int]:
    """The figure by which two nights' numbers of ratings are compared, and both."""
    known = all(night.figures["source_rows"] is not None for night in (one, other))
    measure = "source_rows" if known else "snapshot_rows"
    return measure, one.figures[measure], other.figures[measure]


def _patience(tonight: Night, nights: Sequence[Night]) -> float:
    """How long ago the last night was, as a multiple of what is usual, which is a night at least."""
    gaps = [(later.cutoff - earlier.cutoff) / _NIGHT for later, earlier in itertools.pairwise(nights)]
    return (tonight.cutoff - nights[0].cutoff) / _NIGHT / max(float(np.median(gaps)) if gaps else 1.0, 1.0)


def _median_and_spread(recent: Sequence[float], floor: float) -> tuple[float, float]:
    if not recent:
        return 0.0, floor
    middle = float(np.median(recent))
    if len(recent) < _FEWEST_FOR_SPREAD:
        return middle, floor
    return middle, max(_NORMAL * float(np.median(np.abs(np.array(recent) - middle))), floor)


def _judge_rows(
    verdict: Verdict,
    measure: str,
    now: int,
    then: int,
    nights: Sequence[Night],
    patience: float,
    bounds: SanityConfig,
) -> None:
    if then == 0:
        verdict.notes.append(f"no {measure.replace('_', ' ')} to compare with at the last accepted night")
        return
    pairs = [_rows(later, earlier)[1:] for later, earlier in itertools.pairwise(nights)]
    recent = [math.log(later / earlier) for later, earlier in pairs if later and earlier]
    growth, spread = _median_and_spread(recent, bounds.growth_floor)
    # A night without a single new rating is no cause for alarm, whatever the nights before it brought.
    usual = (0.0, growth, growth * patience)
    low = then * math.exp(min(usual) - bounds.max_z * spread)
    high = then * math.exp(min(max(usual) + bounds.max_z * spread * math.sqrt(max(patience, 1.0)), 100.0))
    expected = then * math.exp(min(growth * patience, 100.0))
    verdict.expected[measure] = {"value": now, "expected": expected, "low": low, "high": high}
    if not low <= now <= high:
        what = "ratings at the source" if measure == "source_rows" else "ratings in the snapshot"
        verdict.violations.append(
            f"{now:,} {what}, {then:,} at the last accepted night, about {expected:,.0f} expected, {low:,.0f} to"
            f" {high:,.0f} allowed"
        )


def _judge_new(
    verdict: Verdict,
    key: str,
    what: str,
    last: Night,
    nights: Sequence[Night],
    patience: float,
    bounds: SanityConfig,
) -> None:
    share = verdict.figures[key]
    if share is None:
        if verdict.figures["pairs"]:
            verdict.notes.append(f"new {what} are not known: the clean ratings of run {last.run_id} are gone")
        return
    recent = [night.figures[key] for night in nights if night.figures[key] is not None]
    usual, spread = _median_and_spread(recent, bounds.share_floor)
    longer = max(patience, 1.0)
    after_so_long = usual * longer + bounds.max_z * spread * math.sqrt(longer)
    high = max(usual + bounds.max_z * spread, min(after_so_long, MOST_NEW))
    verdict.expected[key] = {"value": share, "expected": usual, "low": None, "high": high}
    if share > high:
        verdict.violations.append(
            f"{share:.1%} of the {what} are new since run {last.run_id}, about {usual:.1%} expected, up to"
            f" {high:.1%} allowed"
        )


def _judge_distribution(verdict: Verdict, last: Night, bounds: SanityConfig) -> None:
    if not verdict.figures["pairs"]:
        return
    now, then = verdict.figures["distribution"], last.figures["distribution"]
    index = stability_index(now, then)
    if index is None:
        verdict.notes.append("the distribution of ratings cannot be compared: the scale is another one")
        return
    verdict.expected["psi"] = {"value": index, "expected": 0.0, "low": None, "high": bounds.max_psi}
    if index > bounds.max_psi:
        verdict.violations.append(
            f"the distribution of ratings differs from the last accepted night's by a stability index of {index:.2f},"
            f" up to {bounds.max_psi:g} allowed ({_shown(now)}; then {_shown(then)})"
        )


def stability_index(now: dict[str, Any], then: dict[str, Any]) -> float | None:
    """Population stability index: the sum of (p - q) log(p / q) over the ratings; 0: the same.

    Args:
        now, then: What `Distribution.shares` returns.

    Returns:
        None where both are in bins of different scales.
    """
    scales = [tuple(one["scale"]) for one in (now, then) if "scale" in one]
    if len(set(scales)) > 1:
        return None
    if scales:
        p, q = (_binned(one, scales[0]) for one in (now, then))
    else:
        values = sorted({*now["values"], *then["values"]})
        p, q = (np.array([one["values"].get(value, 0.0) for value in values]) for one in (now, then))
    p, q = np.maximum(p, EMPTY_SHARE), np.maximum(q, EMPTY_SHARE)
    return float(((p - q) * np.log(p / q)).sum())


def _binned(shares: dict[str, Any], scale: tuple[float, float]) -> NDArray[np.float64]:
    if "bins" in shares:
        return np.array(shares["bins"])
    values = np.array([float(value) for value in shares["values"]])
    weights = list(shares["values"].values())
    return np.bincount(bins_of(values, scale), weights, minlength=BINS).astype(np.float64)


def _shown(shares: dict[str, Any]) -> str:
    if "bins" in shares:
        return "tenths of the scale: " + ", ".join(f"{share:.1%}" for share in shares["bins"])
    ascending = sorted(shares["values"].items(), key=lambda one: float(one[0]))
    return ", ".join(f"{value}: {share:.1%}" for value, share in ascending)
