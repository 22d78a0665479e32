"""Judging a night's figures by those of the nights before it: worked out by hand."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from recommender_job.errors import SourceSuspicious
from recommender_job.ratings.profile import Night
from recommender_job.ratings.sanity import Verdict, judge, raise_if_suspicious, stability_index
from recommender_job.safeguards import SanityConfig

BOUNDS = SanityConfig()  # stops at 6 spreads, of 5 % at least
START = datetime(2023, 1, 1, tzinfo=UTC)


def night(day: float, rows: int, **changed: Any) -> Night:
    figures = {
        "snapshot_rows": rows, "source_rows": rows, "pairs": rows // 2, "users": rows // 5, "experiences": 100,
        "refused_share": 0.0, "new_users_share": 0.01, "new_experiences_share": 0.0,
        "distribution": {"values": {"1": 0.2, "5": 0.8}}, **changed,
    }  # fmt: skip
    return Night(f"night-{day:g}", START + timedelta(days=day), figures)


def nights(*rows: int, gap: float = 1.0) -> list[Night]:
    """Nights with so many rows, the latest first; the last of them on day 0."""
    return [night(gap * (place - len(rows) + 1), count) for place, count in enumerate(rows)][::-1]


def judged(tonight: Night, before: list[Night], **bounds: Any) -> Verdict:
    return judge(tonight, before, SanityConfig(**bounds))


def test_the_first_night_is_accepted() -> None:
    verdict = judged(night(1, 5000), [])
    assert (verdict.violations, verdict.expected, verdict.compared_with) == ([], {}, None)
    assert verdict.notes == ["no night was accepted before this one"]


@pytest.mark.parametrize(
    ("rows", "stops"),
    [
        (0, True),
        (5_000, True),
        (7_408, True),
        (7_409, False),
        (10_000, False),
        (13_498, False),
        (13_499, True),
        (20_000, True),
    ],
)
def test_the_rows_stay_within_six_spreads_of_the_last_night(rows: int, stops: bool) -> None:
    """10,000 exp(6 x 0.05) = 13,498.6 and 10,000 exp(-0.3) = 7,408.2."""
    verdict = judged(night(1, rows), nights(10_000))
    assert bool(verdict.violations) == stops
    assert verdict.expected["source_rows"] == pytest.approx(
        {"value": rows, "expected": 10_000, "low": 7_408.18, "high": 13_498.59}, rel=1e-6
    )


def test_steady_growth_is_expected_and_none_is_no_cause_for_alarm() -> None:
    before = nights(10_000, 12_000, 14_400, 17_280)  # a fifth more each night
    assert judged(night(1, 20_736), before).expected["source_rows"]["expected"] == pytest.approx(20_736)
    for rows, stops in ((17_280, False), (17_280 * 0.74, True), (20_736 * 1.34, False), (20_736 * 1.36, True)):
        assert bool(judged(night(1, round(rows)), before).violations) == stops, rows


def test_the_spread_of_the_growth_widens_what_is_allowed_from_three_growths_on() -> None:
    growths = [0.0, 0.2, 0.1]
    rows = [round(10_000 * math.exp(sum(growths[:n]))) for n in range(4)]
    bound = judged(night(1, rows[-1]), nights(*rows)).expected["source_rows"]
    # The median growth is 0.1, the median distance from it 0.1.
    assert math.log(bound["high"] / rows[-1]) == pytest.approx(0.1 + 6 * 0.14826, abs=1e-3)
    assert math.log(bound["low"] / rows[-1]) == pytest.approx(-6 * 0.14826, abs=1e-3)
    bound = judged(night(1, rows[2]), nights(*rows[:3])).expected["source_rows"]
    assert math.log(bound["high"] / rows[2]) == pytest.approx(0.1 + 6 * 0.05, abs=1e-3)


def test_more_time_allows_for_more_but_never_for_less() -> None:
    before = nights(10_000, 10_100, 10_201)
    bounds = {gap: judged(night(gap, 10_201), before).expected["source_rows"] for gap in (0.01, 1, 9, 400)}
    assert [bound["low"] for bound in bounds.values()] == pytest.approx([10_201 * math.exp(-0.3)] * 4)
    grown = {gap: math.log(bound["high"] / 10_201) for gap, bound in bounds.items()}
    assert grown[0.01] == pytest.approx(grown[1]) == pytest.approx(0.3 + math.log(1.01))
    assert grown[9] == pytest.approx(0.3 * 3 + 9 * math.log(1.01))
    assert not judged(night(400, 50_000), before).violations
    weekly = judged(night(7, 10_201), nights(10_000, 10_100, 10_201, gap=7)).expected["source_rows"]
    assert math.log(weekly["high"] / 10_201) == pytest.approx(grown[1])


def test_a_shrinking_source_is_expected_to_shrink() -> None:
    verdict = judged(night(1, 5_120), nights(10_000, 8_000, 6_400))
    assert verdict.expected["source_rows"]["expected"] == pytest.approx(5_120)
    assert not verdict.violations
    assert judged(night(1, 3_700), nights(10_000, 8_000, 6_400)).violations


def test_small_sources_are_not_judged() -> None:
    assert not judged(night(1, 999), nights(20)).violations
    assert judged(night(1, 1000), nights(20)).violations
    assert judged(night(1, 0), nights(1000)).violations
    assert not judged(night(1, 1000), nights(20), min_rows=1001).violations


def test_the_source_counts_where_both_nights_know_it_else_the_snapshot() -> None:
    unknown = night(0, 10_000, source_rows=None)
    assert "ratings in the snapshot" in judged(night(1, 5_000, source_rows=10_000), [unknown]).violations[0]
    half = night(1, 5_000, snapshot_rows=10_000)
    assert (
        "5,000 ratings at the source, 10,000 at the last accepted night" in judged(half, nights(10_000)).violations[0]
    )


def test_a_source_that_was_accepted_empty_compares_with_nothing() -> None:
    verdict = judged(night(1, 10_000), [night(0, 10_000, source_rows=0)])
    assert not verdict.violations
    assert verdict.notes == ["no source rows to compare with at the last accepted night"]


@pytest.mark.parametrize("key", ["new_users_share", "new_experiences_share"])
def test_new_users_and_experiences_are_judged_upward_only(key: str) -> None:
    before = [night(-day, 10_000, **{key: share}) for day, share in enumerate((0.1, 0.1, 0.1, None))]
    for share, stops in ((0.0, False), (0.39, False), (0.41, True), (1.0, True)):
        assert bool(judged(night(1, 10_000, **{key: share}), before).violations) == stops
    [violation] = judged(night(1, 10_000, **{key: 0.625}), before).violations
    assert violation.startswith("62.5% of the ")
    assert "about 10.0% expected, up to 40.0% allowed" in violation
    # After a month three times as many are allowed for, but never nearly all.
    assert not judged(night(30, 10_000, **{key: 0.89}), before).violations
    assert judged(night(30, 10_000, **{key: 0.91}), before).violations


def test_shares_that_are_not_known_are_left_out_and_told() -> None:
    verdict = judged(night(1, 10_000, new_users_share=None), nights(10_000))
    assert "new_users_share" not in verdict.expected
    assert verdict.notes == ["new users are not known: the clean ratings of run night-0 are gone"]


def test_the_stability_index_by_hand() -> None:
    then = {"values": {"1": 0.2, "5": 0.8}}
    assert stability_index({"values": {"1": 0.4, "5": 0.6}}, then) == pytest.approx(
        0.2 * math.log(2) + -0.2 * math.log(0.75)
    )
    # A rating that did not occur counts as one in ten thousand.
    appeared = {"values": {"1": 0.2, "3": 0.5, "5": 0.3}}
    assert stability_index(appeared, then) == pytest.approx(0.4999 * math.log(5000) - 0.5 * math.log(0.375))
    assert stability_index(then, then) == 0


def test_values_and_tenths_of_the_same_scale_are_compared() -> None:
    values = {"values": {"1": 0.5, "4.2": 0.25, "5": 0.25}}
    assert stability_index(values, {"scale": [1, 5], "bins": [0.5, 0, 0, 0, 0, 0, 0, 0.25, 0, 0.25]}) == pytest.approx(
        0
    )
    assert stability_index({"scale": [1, 5], "bins": [0.1] * 10}, {"scale": [1, 10], "bins": [0.1] * 10}) is None
    verdict = judged(
        night(1, 5000, distribution={"scale": [1, 5], "bins": [0.1] * 10}),
        [night(0, 5000, distribution={"scale": [1, 10], "bins": [0.1] * 10})],
    )
    assert verdict.notes == ["the distribution of ratings cannot be compared: the scale is another one"]


def test_a_shifted_distribution_is_told_with_both() -> None:
    swapped = night(1, 10_000, distribution={"values": {"1": 0.8, "5": 0.2}})
    [violation] = judged(swapped, nights(10_000)).violations
    assert "stability index of 1.66, up to 0.25 allowed (1: 80.0%, 5: 20.0%; then 1: 20.0%, 5: 80.0%)" in violation
    assert not judged(swapped, nights(10_000), max_psi=1.7).violations


def test_accepting_a_jump_once_makes_the_next_nights_pass() -> None:
    for earlier in ([10_000], [9_900, 10_000], [9_800, 9_900, 10_000]):
        accepted = [*earlier, 20_000]
        assert judged(night(1, 20_000), nights(*earlier)).violations
        assert not judged(night(1, 20_100), nights(*accepted)).violations
        assert not judged(night(1, 20_300), nights(*accepted, 20_100)).violations
        assert judged(night(1, 10_000), nights(*accepted)).violations


def test_all_figures_are_told_at_once_and_only_the_mode_stop_stops() -> None:
    broken = night(1, 5_000, new_users_share=0.9, distribution={"values": {"5": 1.0}})
    verdict = judged(broken, nights(10_000))
    assert len(verdict.violations) == 3
    with pytest.raises(SourceSuspicious) as caught:
        raise_if_suspicious(verdict, BOUNDS)
    assert all(violation in caught.value.cause for violation in verdict.violations)
    assert "accepted nights up to night-0" in caught.value.cause
    assert "`sanity.mode=warn`" in caught.value.action
    raise_if_suspicious(verdict, SanityConfig(mode="warn"))
    off = judged(broken, nights(10_000), mode="off")
    assert (off.violations, off.notes) == ([], ["switched off (sanity.mode)"])
