"""A user's lists go from the report and the id from what was told of errors; other users and figures stay."""

from __future__ import annotations

import re

import pytest

from recommender_job import nightly
from recommender_job.erasing.problems import Problems
from recommender_job.erasing.reports import erase_from_nights, erase_from_reports
from recommender_job.storage.artifacts import RunFolder
from tests.erasing.conftest import ERASED, World

PAGE = """<h1>42 of 60</h1><!--told--><p>user 42 (rank 42.5, 0.42, 142, 421), then 42.</p><!--/told-->
<!--user 41--><p>User 41: 42%</p><!--/user-->
<!--user 42--><p>User 42: 60%</p>
<p>list</p><!--/user-->
<!--user 421--><p>User 421</p><!--/user-->
<!--told--><p>again 42</p><!--/told-->"""
LEFT = """<h1>42 of 60</h1><!--told--><p>user [erased] (rank 42.5, 0.42, 142, 421), then [erased].</p><!--/told-->
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


@pytest.mark.parametrize(("user_id", "left"), [(42, "a 42.5, [erased], -7 142"), (-7, "a 42.5, 42, [erased] 142")])
def test_reasons_of_nights_lose_the_id_and_keep_their_order(world: World, user_id: int, left: str) -> None:
    world.run("update recommender.night set reasons = array['z', 'a 42.5, 42, -7 142', 'b'] where run_id = 'second'")
    assert erase_from_nights(world.database, user_id) == 1
    assert world.rows("select reasons from recommender.night where run_id = 'second'") == [
        {"reasons": ["z", left, "b"]}
    ]


def test_the_report_keeps_the_other_users(world: World) -> None:
    before = nightly.report_html(world.config, "second")
    users = re.findall(r"<!--user (\d+)-->", before)
    assert str(ERASED) in users
    world.erase()
    after = nightly.report_html(world.config, "second")
    assert re.findall(r"<!--user (\d+)-->", after) == [user for user in users if user != str(ERASED)]
    assert after.rstrip().endswith("</html>")
