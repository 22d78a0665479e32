"""The page of the report: nothing from outside, nothing that names can break, no secret, and the same bytes again."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from typing import Any

import pytest
from pydantic import SecretStr

from recommender_job import nightly
from recommender_job.operating import NotifyConfig, ReportConfig
from recommender_job.reporting.nights import Night, record
from recommender_job.reporting.page import signed, told
from recommender_job.runs import Run
from recommender_job.storage.database import plain_url
from tests.reporting.conftest import CUTOFF, FIRST, HOSTILE, SECOND, World

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Page(HTMLParser):
    """Reads a page and keeps what is asked about it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.open: list[str] = []
        self.comments: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, (tag, self.getpos())

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def handle_data(self, data: str) -> None:
        self.words += data

    def values(self, name: str) -> list[str]:
        """All values of an attribute."""
        return [value for _, found, value in self.attributes if found == name]


@pytest.fixture
def page(world: World) -> Page:
    return Page(world.html())


def test_nothing_is_fetched_and_every_element_is_closed(world: World) -> None:
    text = world.html()
    page = Page(text)
    assert page.open == []
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    assert "http" not in re.sub(r"&[a-z]+;", "", text).replace("http-equiv", "")
    assert re.findall(r"url\((?!#)", text) == []
    assert re.findall(r"@import|javascript:", text) == []
    assert [value for name in ("href", "xlink:href") for value in page.values(name) if not value.startswith("#")] == []
    assert not [name for _, name, _ in page.attributes if name.startswith("on") or name == "src"]
    assert len(text) < 400_000


def test_what_is_pointed_to_is_there_once(page: Page) -> None:
    ids = Counter(page.values("id"))
    assert [name for name, times in ids.items() if times > 1] == []
    pointed = {value.removeprefix("#") for name in ("href", "xlink:href") for value in page.values(name)}
    pointed |= {name for value in page.values("clip-path") for name in re.findall(r"url\(#(.+)\)", value)}
    assert len(pointed) > 20
    assert pointed <= set(ids)


def test_every_plot_says_in_words_what_it_shows(world: World) -> None:
    world.report(FIRST)
    page = Page(world.html())
    rmse = world.folder().summary("evaluate")["rmse"]
    assert f"Tonight's model has an RMSE of {rmse:.3f}; " in page.words
    plots = [value for tag, name, value in page.attributes if (tag, name) == ("svg", "aria-label")]
    assert page.tags["figure"] == len(plots) == 9
    assert all(len(caption) > 20 for caption in plots)
    assert [caption for caption in plots if caption not in " ".join(page.words.split())] == []


def test_a_hostile_name_stays_text(world: World) -> None:
    text = world.html()
    page = Page(text)
    assert HOSTILE in page.words
    assert HOSTILE not in text
    assert "script" not in page.tags
    assert page.comments.count("user 1") <= 1


def test_no_secret_is_in_it_or_in_what_a_failure_leaves(world: World) -> None:
    url = plain_url(world.database.url.set(password="S3cret-lantern"))
    hook = "https://chat.example/hooks/T0P-hook"
    config = world.config.model_copy(
        update={
            "database_url": SecretStr(url),
            "notify": NotifyConfig(webhook_url=SecretStr(hook), email_to=("ana@example.org",)),
        }
    )
    world = World(config, world.database)
    world.fail("train", ValueError(f"cannot reach {url} or S3cret-lantern, nor {hook}"))
    text = world.html()
    told = str(world.folder().read_json("failed/train.json")) + text + str(world.night())
    assert "cannot reach" in told
    assert [part for part in ("lantern", "T0P-hook", "chat.example") if part in told] == []
    assert "ana@example.org" in text
    assert "**********" in text


def test_the_same_run_gives_the_same_bytes(world: World) -> None:
    first = world.html()
    assert world.html() == first


def test_settings_that_are_not_the_default_are_told_apart(world: World) -> None:
    text = world.html()
    changed, every = re.findall(r"<tbody>(.*?)</tbody>", text[text.index('id="settings"') :], re.DOTALL)
    assert "<code>gate.max_rmse</code>" in changed
    assert "<code>gate.bias_shrinkage</code>" not in changed
    assert "<code>gate.bias_shrinkage</code>" in every
    assert "tensorflow 2." in text
    assert "python 3." in text


def test_what_changed_is_shown_for_as_many_users_as_asked_for(world: World) -> None:
    page = Page(world.html(report=ReportConfig(users=3)))
    users = [comment for comment in page.comments if comment.startswith("user ")]
    assert len(users) == 3
    assert "Publication 2 beside 1: of " in page.words
    assert [comment for comment in Page(world.html(report=ReportConfig(users=0))).comments if "user" in comment] == []
    assert "Nothing to compare with" in world.html(FIRST)
    world.run("delete from recommender.active_publication")
    world.run("update recommender.publication set published_at = null where publication_id = 1")
    assert "Nothing to compare with" in world.html()


def test_both_lists_of_a_user_stand_side_by_side(world: World) -> None:
    text = world.html(report=ReportConfig(users=1))
    block = re.search(r"<!--user (\d+)-->(.*?)<!--/user-->", text, re.DOTALL)
    assert block
    with world.database.transaction() as transaction:
        rows = transaction.rows(
            "select publication_id, rank, experience_name as name, experience_id from recommender.recommendation"
            " where user_id = :user order by rank, publication_id",
            user=int(block.group(1)),
        )
    cells = [re.sub("<[^>]+>", "", cell) for cell in re.findall(r"<td>(.*?)</td>", block.group(2))]
    held = {number: {row["experience_id"] for row in rows if row["publication_id"] == number} for number in (1, 2)}
    fresh = [row["publication_id"] == 2 and row["experience_id"] not in held[1] for row in rows]
    named = [f"{row['name']} (new)" if new else row["name"] for row, new in zip(rows, fresh, strict=True)]
    assert Page(" | ".join(cells)).words.split(" | ") == named
    gone = [row for row in rows if row["publication_id"] == 1 and row["experience_id"] not in held[2]]
    assert block.group(2).count('class="gone"') == len(gone) == sum(fresh) > 0


def test_earlier_nights_are_shown_up_to_this_one(world: World) -> None:
    for number in range(12):
        record(world.database, Night(f"earlier-{number}", CUTOFF, "failed", ("no",)))
    record(world.database, Night("later", SECOND.cutoff.replace(year=2025), "published", (), 0.5, 1.0))
    text = world.html()
    assert "RMSE of the last 13 nights" in text
    assert "12 without an RMSE" in text
    assert "later" not in text[text.index('id="nights"') : text.index('id="slices"')]
    assert "RMSE of the last 4 nights" in world.html(report=ReportConfig(nights=4))
    again = world.html()  # tonight's own row, of before, is not an earlier night
    assert "RMSE of the last 13 nights" in again


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0123, "+0.012"), (-0.0123, "-0.012"), (-0.0001, "0.000"), (0.0, "0.000")]
)
def test_a_difference_has_a_sign_unless_it_is_none(value: float, shown: str) -> None:
    assert signed(value) == shown


def test_the_text_of_an_error_is_escaped_and_its_settings_are_code() -> None:
    assert told("Set `a.b` < `<i>`.") == "Set <code>a.b</code> &lt; <code>&lt;i&gt;</code>."


def test_figures_that_could_not_be_measured_leave_gaps_and_no_error(world: World) -> None:
    def without(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: without(inner, name) for name, inner in value.items()}
        return None if "interval" in key or key.endswith("@10") else value

    found = world.folder().summary("evaluate")
    bare = without({**found, "by_rating": {}, "champion": None, "champion_is": "none", "comparisons": []})
    bare.pop("other_intervals")
    world.folder().finish("evaluate", bare)
    text = world.html()
    assert "Lists of 10" not in text
    assert "RMSE by rating given" not in text
    assert Page(text).open == []


def test_what_drifted_is_a_table(world: World) -> None:
    sanity = world.config.sanity.model_copy(update={"min_rows": 1, "mode": "warn"})
    nightly.clean(world.config.model_copy(update={"sanity": sanity}), SECOND)
    text = world.html()
    drift = text[text.index('id="drift"') : text.index('id="changes"')]
    assert "Compared with the accepted nights up to <code>first</code>." in drift
    rows = [re.sub("<[^>]+>", " ", row).split() for row in re.findall(r"<tr><td>.*?</tr>", drift, re.DOTALL)]
    figures = world.folder().summary("clean")["sanity"]["figures"]
    found = [" ".join(row) for row in rows]
    new = f"{figures['new_users_share']:.1%}"
    for start in (
        "ratings at the source out of bounds 306 ",
        f"new users {new} ",
        "new experiences ",
        "stability index ",
    ):
        assert [row for row in found if row.startswith(start)], (start, found)
    assert len(found) == 4
    assert '<p class="out">' in drift


def test_a_night_before_any_other_has_nothing_to_compare_with(world: World) -> None:
    world.run("delete from recommender.profile")
    text = world.html(Run("first", CUTOFF))
    assert "No earlier night is on record." in text
    assert "no night was accepted before this one" in text
