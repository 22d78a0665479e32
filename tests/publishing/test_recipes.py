"""The recipe is kept with the publication, so that what is live can be trained again."""

from __future__ import annotations

from typing import Any

import pytest

from recommender_job import nightly
from recommender_job.publishing.publications import live_recipe, rollback
from recommender_job.ranking.recipe import BiasPart, Member, Recipe, RelevancePart
from recommender_job.ranking.stages import load_recipe
from recommender_job.settings import ModelConfig
from recommender_job.storage.artifacts import RunFolder


def some_recipe(seed: int) -> Recipe:
    """A recipe with something of everything in it."""
    settings = ModelConfig(epochs=7, hidden_layers=(8, 4), learning_rate=1 / 3, dot_product=False)
    members = (
        Member(name="dense", settings=settings, seed=seed, weight=0.1 + 0.2),
        Member(name="facteurs ñ", settings=ModelConfig(dense=False), seed=seed + 1, weight=0.5),
    )
    bias = BiasPart(user_shrinkage=5, experience_shrinkage=20, weight=0.2)
    return Recipe(members=members, bias=bias, relevance=RelevancePart(method="als", l2=15, popularity=0.3))


def live(website: Any) -> Recipe | None:
    text = live_recipe(website.database)
    return None if text is None else Recipe.model_validate_json(text)


def test_nothing_is_live_before_anything_is_published(website: Any) -> None:
    assert live_recipe(website.database) is None


def test_the_recipe_comes_back_as_it_was(website: Any) -> None:
    website.publish(recipe=some_recipe(1))
    assert live(website) == some_recipe(1)
    assert live(website) != some_recipe(2)


def test_a_dry_run_is_not_live(website: Any) -> None:
    website.publish("dry", recipe=some_recipe(1), dry_run=True)
    assert live_recipe(website.database) is None
    website.publish("one", recipe=some_recipe(2))
    website.publish("dry again", days=1, recipe=some_recipe(3), dry_run=True)
    assert live(website) == some_recipe(2)


def test_after_a_rollback_the_older_recipe_is_live(website: Any) -> None:
    for day in range(3):
        website.publish(f"night {day}", days=day, recipe=some_recipe(day))
    assert live(website) == some_recipe(2)
    rollback(website.database)
    assert live(website) == some_recipe(1)
    rollback(website.database, 1)
    assert live(website) == some_recipe(0)
    rollback(website.database, 3)
    assert live(website) == some_recipe(2)


def test_a_publication_from_before_has_none(website: Any) -> None:
    website.publish("before", recipe=some_recipe(1))
    with website.database.transaction() as transaction:
        transaction.run("update recommender.publication set recipe = null")
    assert live_recipe(website.database) is None
    website.publish("after", days=1, recipe=some_recipe(2))
    assert live(website) == some_recipe(2)
    rollback(website.database)
    assert live_recipe(website.database) is None


def test_the_night_publishes_what_the_final_model_was_trained_by(website: Any, spoilable: RunFolder) -> None:
    website.publish(folder=spoilable)
    assert live(website) == load_recipe(spoilable, nightly.FINAL)
    assert website.values("select recipe from recommender.publication") == [live_recipe(website.database)]


@pytest.mark.parametrize("view", ["recommendations", "default_recommendations", "recommendation_status"])
def test_the_website_does_not_see_recipes(website: Any, view: str) -> None:
    website.publish(recipe=some_recipe(1))
    assert "recipe" not in website.rows(f"select * from recommender.{view} limit 1")[0]
