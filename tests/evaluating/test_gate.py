"""The gate's verdict: every reason, the figures behind it, and what the person on call reads."""

from __future__ import annotations

import json

import pytest

from recommender_job.errors import GateBlocked
from recommender_job.evaluating.gate import raise_if_blocked, rating_reasons, table, verdict
from tests.evaluating.judged import GATE, compared, lists, metrics


def test_every_reason_is_told() -> None:
    worse = metrics(compared(), compared(**{"with": "champion"}), rmse=1.5, lists=lists(users_without_list=1))
    assert len(rating_reasons(worse, GATE)) == 3
    assert len(verdict(worse, GATE)["reasons"]) == 4


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("none", "no champion yet"),
        ("same", "same model"),
        ("trained", "trained again"),
        ("unreadable", "cannot train"),
        ("untrainable", "did not converge"),
    ],
)
def test_the_verdict_says_what_the_challenger_was_compared_with(state: str, told: str) -> None:
    champion = {"rmse": 0.81, "mae": 0.5, "n": 1234} if state == "trained" else None
    figures = verdict(metrics(champion=champion, champion_is=state), GATE)
    assert told in figures["champion"]
    assert figures["champion_rmse"] == (0.81 if champion else None)


def test_the_verdict_carries_the_figures() -> None:
    # As they come out of the run folder.
    given = json.loads(json.dumps(metrics(compared(), rmse=0.95)))
    figures = verdict(given, GATE)
    assert figures["passed"] is False
    assert len(figures["reasons"]) == 2
    kept = ("rmse", "rmse_interval", "n", "baselines", "comparisons", "lists")
    assert {key: figures[key] for key in kept} == {key: given[key] for key in kept}
    passed = verdict(metrics(), GATE)
    assert (passed["passed"], passed["reasons"]) == (True, [])
    raise_if_blocked(passed)


def test_the_error_shows_the_reasons_and_the_table() -> None:
    figures = verdict(metrics(compared(), rmse=0.95), GATE)
    with pytest.raises(GateBlocked) as caught:
        raise_if_blocked(figures)
    text = str(caught.value)
    for part in (*figures["reasons"], table(figures), "The website keeps the active publication."):
        assert part in text
    assert caught.value.figures == figures


def test_the_table() -> None:
    figures = verdict(metrics(champion={"rmse": 0.81}, champion_is="trained"), GATE)
    assert [line.rstrip() for line in table(figures).splitlines()] == [
        "  on 1,234 pairs                  RMSE",
        "  challenger                    0.8500",
        "  champion                      0.8100",
        "  global_mean                   0.9000",
        "  user_mean                     0.8000",
        "  lists of 900 users            recall    NDCG",
        "  model                         0.5000  0.3000",
        "  popularity                    0.4800  0.2800",
        "  random                        0.0400  0.0200",
    ]
    without = verdict(metrics(lists=lists(model__recall_at_10=None)), GATE)
    assert [line.split()[0] for line in table(without).splitlines()] == [
        "on",
        "challenger",
        "global_mean",
        "user_mean",
    ]
