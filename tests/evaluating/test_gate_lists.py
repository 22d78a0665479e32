"""The gate on lists: they hold what people want, differ from person to person, and everybody has one."""

from __future__ import annotations

from recommender_job.evaluating.gate import list_reasons
from recommender_job.settings import GateConfig
from tests.evaluating.judged import GATE, lists


def test_lists_that_are_good_pass() -> None:
    assert list_reasons(lists(), GATE) == []


def test_users_without_a_list_block() -> None:
    assert list_reasons(lists(users_without_list=3), GATE) == ["3 of 1,000 users get no list."]


def test_lists_that_hold_less_than_popularitys_block_beyond_the_margin() -> None:
    poor = lists(below_popularity=0.01, model__recall_at_10=0.2)
    assert list_reasons(poor, GATE) == [
        "Lists hold 20.0% of what users went on to like, popularity's 48.0%; gate.max_list_loss allows a loss of 10%."
    ]
    assert list_reasons(lists(below_popularity=0.05, model__recall_at_10=0.2), GATE) == []
    assert list_reasons(poor, GateConfig(significance=0.01)) == []
    assert list_reasons(poor, GateConfig(max_list_loss=1)) == []


def test_lists_that_are_the_same_for_nearly_everybody_block() -> None:
    same = lists(model__personal_lists=0.049)
    assert list_reasons(same, GATE) == [
        "The lists are the same for nearly everybody: of the pairs compared among 100 users, 4.9% have lists that"
        " differ by more than what the two have rated; gate.min_personal_lists asks for 5.0%."
    ]
    assert list_reasons(lists(model__personal_lists=0.05), GATE) == []
    assert list_reasons(same, GateConfig(min_personal_lists=0)) == []


def test_a_few_lists_may_well_be_alike() -> None:
    assert list_reasons(lists(model__personal_lists=0.0, model__lists_compared=29), GATE) == []
    assert len(list_reasons(lists(model__personal_lists=0.0, model__lists_compared=30), GATE)) == 1


def test_what_a_few_users_liked_proves_nothing() -> None:
    poor = {"below_popularity": 0.0, "model__recall_at_10": 0.2}
    assert list_reasons(lists(**poor, users_who_liked=29), GATE) == []
    assert len(list_reasons(lists(**poor, users_who_liked=30), GATE)) == 1
    # Each counts its own: few liked something, yet many lists are compared.
    same = {"model__personal_lists": 0.0, "users_who_liked": 29}
    assert len(list_reasons(lists(**same), GATE)) == 1
    assert len(list_reasons(lists(**poor, model__lists_compared=29), GATE)) == 1


def test_too_few_different_lists_block_unless_popularity_has_no_more() -> None:
    assert list_reasons(lists(model__distinct_lists=0.04), GATE) == [
        "There are only 4.0% as many different lists as users, of popularity's 30.0%; gate.min_distinct_lists asks for"
        " 5.0%."
    ]
    assert list_reasons(lists(model__distinct_lists=0.05), GATE) == []
    assert list_reasons(lists(model__distinct_lists=0.04, popularity__distinct_lists=0.04), GATE) == []
    assert list_reasons(lists(model__distinct_lists=0.02, popularity__distinct_lists=0.04), GATE) != []


def test_one_experience_for_nearly_everybody_blocks_unless_popularity_shows_one_as_often() -> None:
    assert list_reasons(lists(model__exposure=0.99), GATE) == [
        "One experience stands in 99.0% of the lists, in 70.0% of popularity's; gate.max_exposure allows 98.0%."
    ]
    assert list_reasons(lists(model__exposure=0.98), GATE) == []
    assert list_reasons(lists(model__exposure=0.99, popularity__exposure=0.99), GATE) == []
    assert list_reasons(lists(model__exposure=1.0, popularity__exposure=0.99), GATE) != []
    assert list_reasons(lists(model__exposure=0.6), GateConfig(max_exposure=0.5)) == []  # popularity's 70 %
    assert list_reasons(lists(model__exposure=0.8), GateConfig(max_exposure=0.5)) != []


def test_what_could_not_be_measured_does_not_block() -> None:
    nothing = ("recall_at_10", "ndcg_at_10", "distinct_lists", "exposure")
    unmeasured = {f"{side}__{key}": None for side in ("model", "popularity") for key in nothing}
    found = lists(below_popularity=None, model__personal_lists=None, model__lists_compared=0, **unmeasured)
    assert list_reasons(found, GATE) == []


def test_a_few_lists_may_hold_the_same_experiences() -> None:
    alike = {"model__exposure": 1.0, "model__distinct_lists": 0.02}
    assert list_reasons(lists(users=29, **alike), GATE) == []
    assert len(list_reasons(lists(users=30, **alike), GATE)) == 2
    assert len(list_reasons(lists(users=30, users_without_list=1, **alike), GATE)) == 1  # the one without a list
