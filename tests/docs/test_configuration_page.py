"""docs/configuration.md is what the settings say."""

from __future__ import annotations

import re

from recommender_job.config import Config, load_config
from recommender_job.environment import known_keys, variable_of
from scripts.configuration_page import PAGE, page


def test_the_page_is_what_is_generated_now() -> None:
    assert PAGE.read_text("utf-8") == page(), "run `make docs-configuration`"


def test_every_setting_is_on_it() -> None:
    text = page()
    for key in known_keys(Config):
        assert f"`{variable_of(key.removesuffix('.*'))}`" in text


def test_types_bounds_and_defaults() -> None:
    rows = dict(re.findall(r"^\| `\w+`<br>`(\w+)` \| (.*) \|$", page(), flags=re.MULTILINE))
    expected = {
        "TOP_N": "`10` | whole number, at least 1, at most 1,000",
        "RULES__MAX_PER_GROUP": "- | whole number, at least 1, or none",
        "HOLDOUT_SHARE": "`0.2` | number, above 0, below 1",
        "CANDIDATES_PER_USER": "- | whole number or `all`, or none",
        "RELEVANCE__ACTIVITY_POWER": "`0.0`, `0.5` | a list; each number, at least 0, at most 1, 1 or more",
        "DATABASE_URL": "- | text, kept secret, or none",
        "RULES__PINNED": "none | a list; each whole number",
        "DRY_RUN": "`false` | `true` or `false`",
        "SANITY__MODE": "`stop` | `stop`, `warn`, `off`",
        "SELECTION__CANDIDATES__NAME__MODEL": "needed | a section like `model`",
    }
    assert {key: " | ".join(rows[f"RECOMMENDER_{key}"].split(" | ")[:2]) for key in expected} == expected


def test_the_example_file_is_one() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", page(), flags=re.DOTALL)
    with open("recommender.toml", "w", encoding="utf-8") as file:
        file.write(example)
    config = load_config()
    assert (config.top_n, config.gate.max_rmse, list(config.selection.candidates)) == (12, 0.9, ["mine"])
