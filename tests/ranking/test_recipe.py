"""The recipe: written as JSON it comes back equal, and what does not belong is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from recommender_job.ranking.recipe import BiasPart, Member, Recipe, RelevancePart, seeded
from recommender_job.settings import ModelConfig, default_candidates

SHARES = st.floats(0, 1)
MODELS = st.sampled_from([candidate.model for candidate in default_candidates().values()])
MEMBERS = st.builds(Member, name=st.text(max_size=9), settings=MODELS, seed=st.integers(0, 2**31), weight=SHARES)
RECIPES = st.builds(
    Recipe,
    members=st.lists(MEMBERS, max_size=3).map(tuple),
    bias=st.builds(BiasPart, user_shrinkage=SHARES, experience_shrinkage=SHARES, weight=SHARES),
    relevance=st.builds(
        RelevancePart,
        method=st.sampled_from(["ease", "als", "popularity"]),
        l2=st.floats(0, 1e9),
        activity_power=SHARES,
        popularity=SHARES,
    ),
)


@given(RECIPES)
def test_json_and_back_is_the_same_recipe_to_the_bit(recipe: Recipe) -> None:
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    assert Recipe.model_validate(json.loads(json.dumps(recipe.model_dump(mode="json")))) == recipe


def a_recipe() -> dict[str, Any]:
    member = Member(name="a", settings=ModelConfig(), seed=1, weight=1.0)
    return Recipe(members=(member,)).model_dump(mode="json")


@pytest.mark.parametrize("section", [(), ("members", 0), ("members", 0, "settings"), ("bias",), ("relevance",)])
def test_an_unknown_key_is_refused_everywhere(section: tuple[Any, ...]) -> None:
    recipe = a_recipe()
    Recipe.model_validate(recipe)
    place: Any = recipe
    for step in section:
        place = place[step]
    place["colour"] = 1
    with pytest.raises(ValidationError, match="colour"):
        Recipe.model_validate(recipe)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        (("members", 0), "weight", -0.1),
        (("members", 0, "settings"), "learning_rate", 0),
        (("bias",), "weight", -1),
        (("bias",), "user_shrinkage", -1),
        (("relevance",), "method", "slim"),
        (("relevance",), "l2", -1),
        (("relevance",), "activity_power", 1.5),
        (("relevance",), "popularity", -0.5),
    ],
)
def test_values_out_of_bounds_are_refused(section: tuple[Any, ...], key: str, value: Any) -> None:
    recipe = a_recipe()
    place: Any = recipe
    for step in section:
        place = place[step]
    place[key] = value
    with pytest.raises(ValidationError, match=key):
        Recipe.model_validate(recipe)


def test_a_recipe_without_members_is_not_forgotten_by_accident() -> None:
    with pytest.raises(ValidationError, match="members"):
        Recipe.model_validate({})


def test_a_recipe_does_not_change() -> None:
    recipe = Recipe.model_validate(a_recipe())
    with pytest.raises(ValidationError, match="frozen"):
        recipe.members[0].weight = 0.5


def test_seeds_share_the_weight_of_their_settings() -> None:
    settings = ModelConfig(seeds=4, epochs=3)
    members = seeded("a", settings, 7, weight=0.5)
    assert [member.seed for member in members] == [7, 8, 9, 10]
    assert [member.weight for member in members] == [0.125] * 4
    assert {member.name for member in members} == {"a"}
    assert all(member.settings == settings for member in members)
    assert [member.weight for member in seeded("a", ModelConfig(), 7)] == [1.0]
