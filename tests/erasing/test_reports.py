"""A user's lists go from the report and the id from what was told of errors; other users and figures stay."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from recommender_job import nightly
from recommender_job.erasing.problems import Problems
from recommender_job.erasing.reports import erase_from_nights, erase_from_reports
from recommender_job.reporting.nights import Night, nights, record
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database
from tests.erasing.conftest import ERASED, RUNS, World

PAGE = """<h1>42 of 60</h1><!--told--><p>user 42 (42.5, 0.42, 142), then 42.</p><!--/told-->
<!--user 41--><p>User 41: 42%</p><!--/user-->
<!--user 42--><p>User 42: 60%</p>
<p>list</p><!--/user-->
<!--user 421--><p>User 421</p><!--/user-->
<!--told--><p>again 42</p><!--/told-->"""
LEFT = """<h1>42 of 60</h1><!--told--><p>user [erased] ([erased].5, 0.[erased], 142), then [erased].</p><!--/told-->
<!--user 41--><p>User 41: 42%</p><!--/user-->
<!--user 421--><p>User 421</p><!--/user-->
<!--told--><p>again [erased]</p><!--/told-->"""


def test_only_the_users_block_and_the_id_in_errors_go(folder: RunFolder) -> None:
    folder.write_text(nightly.REPORT, PAGE)
    folder.write_json("failed/gate.json", {"cause": "user 42", "defect": False, "reasons": ["1", "42"]})
    folder.write_json("failed/train.json", {"cause": "user 421"})
    folder.write_json("finished/gate.json", {"n": 42, "told": "42"})  # figures of a stage are counts
    names = [nightly.REPORT, "failed/gate.json", "failed/train.json", "finished/gate.json"]
    problems = Problems()
    assert erase_from_reports(folder, names, 42, problems) == 2
    assert problems.causes == []
    assert (folder.path / nightly.REPORT).read_text("utf-8") == LEFT
    assert folder.read_json("failed/gate.json") == {
        "cause": "user [erased]", "defect": False, "reasons": ["1", "[erased]"],
    }  # fmt: skip
    assert folder.read_json("finished/gate.json") == {"n": 42, "told": "42"}
    assert erase_from_reports(folder, names, 42, problems) == 0


def test_a_damaged_file_is_told_and_the_others_are_written(folder: RunFolder) -> None:
    folder.write_text("failed/gate.json", "{")
    folder.write_text(nightly.REPORT, PAGE)
    problems = Problems()
    assert erase_from_reports(folder, ["failed/gate.json", nightly.REPORT], 42, problems) == 1
    assert "gate.json is damaged" in problems.causes[0]


@pytest.mark.parametrize(
    ("user_id", "left"), [(42, "a [erased].5, [erased], -7 142"), (-7, "a 42.5, 42, [erased] 142")]
)
def test_reasons_of_nights_lose_the_id_and_keep_their_order(world: World, user_id: int, left: str) -> None:
    world.run("update recommender.night set reasons = array['z', 'a 42.5, 42, -7 142', 'b'] where run_id = 'second'")
    assert erase_from_nights(world.database, user_id) == 1
    assert world.rows("select reasons from recommender.night where run_id = 'second'") == [
        {"reasons": ["z", left, "b"]}
    ]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('COPY tt, line 3: "42,1,7"', 'COPY tt, line 3: "[erased],1,7"'),
        ("users 41,42,43 and 42.0", "users 41,[erased],43 and [erased].0"),
        ("user42x (42)", "user[erased]x ([erased])"),
        ("142 421 4.2", "142 421 4.2"),
    ],
)
def test_the_id_goes_wherever_no_digit_is_beside_it(
    database: Database, folder: RunFolder, text: str, left: str
) -> None:
    folder.write_json("failed/publish.json", {"cause": text})
    erase_from_reports(folder, ["failed/publish.json"], 42, Problems())
    assert folder.read_json("failed/publish.json") == {"cause": left}
    record(database, Night("a run", datetime(2024, 1, 1, tzinfo=UTC), "failed", (text,)))
    assert erase_from_nights(database, 42) == (text != left)
    assert nights(database, 1)[0]["reasons"] == [left]


@pytest.mark.parametrize("user_id", [1, 34, 39, 7])
def test_markup_and_escaped_characters_stay(folder: RunFolder, user_id: int) -> None:
    page = '<!--told--><h1 id="a1">It&#39;s &#34;x&#34; &lt; 1, 34, 39, 7; <b>7</b></h1><!--/told--><h1>1 34 39 7</h1>'
    folder.write_text(nightly.REPORT, page)
    erase_from_reports(folder, [nightly.REPORT], user_id, Problems())
    told, _, rest = (folder.path / nightly.REPORT).read_text("utf-8").partition("<!--/told-->")
    start, text = '<!--told--><h1 id="a1">It&#39;s &#34;x&#34; &lt; ', "1, 34, 39, 7; <b>7</b></h1>"
    assert told == start + re.sub(rf"\b{user_id}\b(?!>)", "[erased]", text)
    assert rest == "<h1>1 34 39 7</h1>"


def test_where_a_run_says_what_it_published_only_words_are_changed(folder: RunFolder) -> None:
    reason = {"by": "ana", "at": "2024-01-42", "reason": "user 42 has rated everything"}
    left = {**reason, "reason": "user [erased] has rated everything"}
    night = {"reasons": ["no 42"], "report": "/runs/42/report.html", "publication_id": 42}
    files = {
        "gate/override.json": (reason, left),
        "finished/override.json": ({**reason, "seconds": 4.2}, {**left, "seconds": 4.2}),
        "finished/publish.json": ({"users": 42, "override": reason}, {"users": 42, "override": left}),
        "finished/report.json": (night, {**night, "reasons": ["no [erased]"]}),
        "gate/verdict.json": ({"reasons": ["42"]}, {"reasons": ["42"]}),
    }
    for name, (before, _) in files.items():
        folder.write_json(name, before)
    assert erase_from_reports(folder, list(files), 42, Problems()) == 4
    assert {name: folder.read_json(name) for name in files} == {name: after for name, (_, after) in files.items()}
    folder.write_json("finished/publish.json", {"override": None})
    assert erase_from_reports(folder, ["finished/publish.json"], 42, Problems()) == 0


def test_the_words_of_an_approval_are_erased_and_the_next_report_does_not_bring_them_back(world: World) -> None:
    word = {"by": "ana", "at": "2024-01-01T00:00:00+00:00", "reason": f"user {ERASED} has rated everything"}
    folder = world.folder()
    for name in ("finished/gate.json", "gate/verdict.json"):
        told = folder.read_json(name) if name.startswith("finished") else {"champion": ""}
        folder.write_json(name, {**told, "passed": False, "reasons": ["RMSE is too high."], "seconds": 1})
    folder.write_json("gate/override.json", word)
    folder.finish("override", word)
    folder.finish("publish", {**folder.summary("publish"), "override": word})
    world.run("update recommender.publication set override_reason = :reason where publication_id = 2", **word)
    nightly.report(world.config, RUNS[1])
    assert str(ERASED) in nightly.report_html(world.config, "second")
    receipt = world.erase()
    assert (receipt["nights"], receipt["runs"]["second"]["reports"]) == (2, 4)
    nightly.report(world.config, RUNS[1])
    assert world.traces() == []
    assert "user [erased] has rated everything" in nightly.report_html(world.config, "second")


def test_the_report_keeps_the_other_users(world: World) -> None:
    before = nightly.report_html(world.config, "second")
    users = re.findall(r"<!--user (\d+)-->", before)
    assert str(ERASED) in users
    world.erase()
    after = nightly.report_html(world.config, "second")
    assert re.findall(r"<!--user (\d+)-->", after) == [user for user in users if user != str(ERASED)]
    assert after.rstrip().endswith("</html>")
