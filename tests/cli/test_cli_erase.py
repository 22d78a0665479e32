"""Erasing a user, and looking after those who were, from the command line."""

from __future__ import annotations

import shutil
import sys
import uuid
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest

from recommender_job.runs import folder_of
from recommender_job.storage.database import Database, plain_url
from tests.cli.conftest import Live, Told


@pytest.fixture
def own(live_once: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Live:
    """A copy of the live website, to erase from."""
    url = live_once.database.url
    name = f"erasing_{uuid.uuid4().hex}"
    with Database(url.set(database="postgres")).autocommit() as session:
        session.define("create database {name} template {live}", {"name": name, "live": str(url.database)})
    database = Database(url.set(database=name))
    with database.transaction() as transaction:
        made = [folder_of(row["run_id"]) for row in transaction.rows("select run_id from recommender.publication")]
    for folder in made:  # not what other tests have run in the same home
        shutil.copytree(Path(live_once.env["RECOMMENDER_HOME"]) / "runs" / folder, tmp_path / "home" / "runs" / folder)
    changes = {"RECOMMENDER_HOME": str(tmp_path / "home"), "RECOMMENDER_DATABASE_URL": plain_url(database.url)}
    for variable, value in {**live_once.env, **changes}.items():
        monkeypatch.setenv(variable, value)
    return Live(database, {**live_once.env, **changes}, live_once.made)


@pytest.fixture
def user(own: Live) -> int:
    """Somebody with a list."""
    return int(own.shown()[0]["user_id"])


def test_a_user_is_erased_listed_and_lifted(own: Live, user: int, call: Callable[..., Told]) -> None:
    others = [row for row in own.shown() if row["user_id"] != user]
    receipt = call("erase", user, "--yes", "--json").json
    assert receipt["user_id"] == user
    assert list(receipt["publications"].values()) == [6, 6]
    assert receipt["complete"] is True
    assert len(receipt["runs"]) == receipt["looked_at"] == 2
    assert "the source" in receipt["not_touched"][0]
    assert own.shown() == others
    assert call("show", user, "--json").json["source"] == "popular"

    (listed,) = call("erasures", "--json").json["erasures"]
    assert (listed["user_id"], listed["attempts"], listed["state"]) == (user, 1, "complete")
    assert listed["erased_at"] == receipt["erased_at"]
    assert {**listed["receipts"][0], "user_id": user, "erased_at": receipt["erased_at"]} == receipt
    told = call("erasures")
    assert (told.code, told.err) == (0, "")
    assert str(user) in told.out
    assert "complete" in told.out

    assert call("erasures", "lift", user, "--json").json == {"user_id": user, "lifted": True}
    assert call("erasures", "--json").json == {"erasures": []}
    with own.database.transaction() as transaction:
        assert transaction.count("recommender.extraction") == 0
    assert call("erasures", "lift", user).out == f"user {user} was not erased; nothing has changed\n"


def test_what_people_read(own: Live, user: int, call: Callable[..., Told]) -> None:
    folder = next(Path(own.env["RECOMMENDER_HOME"]).glob("runs/*"))
    (folder / "finished" / "publish.json").unlink()
    (folder / "notes.txt").write_text("x")
    told = call("erase", user, "--yes")
    assert told.code == 0
    assert f"Erased user {user}" in told.out
    rows = {line.split("│")[1].strip(): line.split("│")[2].strip() for line in told.out.splitlines() if "│" in line}
    assert (rows["publications"], rows["rows of lists"], rows["run folders"]) == ("2", "12", "2")
    assert int(rows["files written again"]) > 10
    assert int(rows["models written again"]) >= 8
    assert f"{folder.name}: has not published; if it is running, erase again when it has ended" in told.out
    assert f"{folder.name}: notes.txt was not looked into" in told.out
    assert "Not touched:\n  the source: delete the user, the ratings and the opt-outs there too, and" in told.out
    assert call("erasures", "lift", user).out.startswith(f"user {user} is read from the source again")


@pytest.mark.parametrize(("answer", "code"), [("n\n", 1), ("", 1), ("y\n", 0)])
def test_it_asks_first(
    own: Live, user: int, call: Callable[..., Told], monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO(answer))
    told = call("erase", user, "--json")
    assert told.code == code
    assert f"Erase user {user}? This cannot be undone" in told.err
    assert len(call("erasures", "--json").json["erasures"]) == (code == 0)
    if code == 0:
        assert told.json["user_id"] == user  # the question is not on stdout


@pytest.mark.parametrize("options", [["--json"], []])
def test_damage_ends_with_an_error_after_the_receipt(
    own: Live, user: int, call: Callable[..., Told], options: list[str]
) -> None:
    file = next(Path(own.env["RECOMMENDER_HOME"]).glob("runs/*/clean/ratings.parquet"))
    file.write_bytes(file.read_bytes()[:-9])
    told = call("erase", user, "--yes", *options)
    assert told.code == 1
    line = told.err.splitlines()[-1]
    assert line.startswith("ArtifactBroken: 1 files cannot be read and may still hold the user")
    assert str(file) in line
    if options:
        assert told.json["error"]["type"] == "ArtifactBroken"
    else:
        assert f"Erased user {user}" in told.out
    assert call("erasures", "--json").json["erasures"][0]["state"] == "incomplete"
    assert user not in {row["user_id"] for row in own.shown()}


@pytest.mark.parametrize("user_id", ["Ana", "4.2", 2**63, -(2**63) - 1])
@pytest.mark.parametrize("command", [("erase", "--yes"), ("erasures", "lift")])
def test_what_is_no_id_is_a_wrong_call(call: Callable[..., Told], command: tuple[str, ...], user_id: object) -> None:
    assert call(*command, "--", user_id).code == 2


def test_an_id_below_zero(own: Live, call: Callable[..., Told]) -> None:
    assert call("erase", "--yes", "--json", "--", -7).json["user_id"] == -7
