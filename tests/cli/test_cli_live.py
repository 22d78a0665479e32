"""The command line on a live website: what scripts and people get on stdout, on stderr and as the exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

Call = Callable[..., Any]


def test_import_counts(call: Call, live: Any) -> None:
    told = live.made["import"]
    assert (told.code, told.err) == (0, "")
    rows = live.made["sample"].json["rows"]
    figures = told.json
    file = Path(live.env["RECOMMENDER_HOME"]) / "ratings.csv"
    names = pd.read_csv(file)["NOMBRE_CORTO_DE_EXPERIENCIA"].str.split().str.join(" ").str.casefold()
    assert {key: figures[key] for key in ("read", "rejected", "users", "experiences")} == {
        "read": rows,
        "rejected": 0,
        "users": 60,
        "experiences": names.nunique(),
    }
    assert figures["imported"] == rows
    again = call("import-ratings", file, "--json").json
    assert (again["imported"], again["unchanged"]) == (0, rows)


def test_run_tells_scripts_everything_in_one_object(live: Any) -> None:
    told = live.made["first"]
    assert (told.code, told.err) == (0, "")
    assert len(told.out.splitlines()) == 1
    result = told.json
    assert result["run_id"] == "night-20240101T050000.000000Z"  # midnight in the default zone
    assert result["published"] is True
    assert result["publication_id"] == 1
    assert result["gate"] == {"passed": True, "reasons": []}
    assert 0 < result["rmse"] <= result["baselines"]["global_mean"]
    assert sorted(result["baselines"]) == ["experience_mean", "global_mean", "user_experience_bias", "user_mean"]
    assert all(isinstance(value, float) for value in result["baselines"].values())
    assert {"extract", "clean", "train", "evaluate", "gate", "refit", "plan_shards", "publish"} < set(result["stages"])
    assert all(stage["seconds"] >= 0 for stage in result["stages"].values())


def test_run_tells_people(live: Any) -> None:
    told = live.made["second"]
    assert told.code == 0
    lines = told.out.splitlines()
    assert lines[0].endswith("publication 2 is live")
    assert lines[1] == "Gate passed"
    for word in ("global_mean", "RMSE", "publish", "score-0001"):
        assert word in told.out


def test_a_blocked_night_in_a_process_of_its_own(call: Call, live: Any) -> None:
    before = live.shown()
    script = Path(sys.executable).with_name("recommender-job")
    ended = subprocess.run(
        [script, "run", "--as-of", "2024-01-03", "--set", "gate.max_rmse=0.1", "--json"],
        capture_output=True,
        text=True,
        env={**os.environ, **live.env},
        check=False,
    )
    told = type(live.made["first"])(ended.returncode, ended.stdout, ended.stderr)
    assert told.code == 3
    assert "GateBlocked: RMSE" in told.line
    assert "gate.max_rmse 0.1" in told.line
    assert len(told.out.splitlines()) == 1
    result = told.json
    assert result["gate"]["passed"] is False
    assert len(result["gate"]["reasons"]) == 1
    assert (result["published"], result["publication_id"]) == (False, None)
    assert result["error"]["type"] == "GateBlocked"
    assert result["baselines"]["global_mean"] > 0
    assert "publish" not in result["stages"]
    assert live.shown() == before
    # The report of the blocked night can still be read.
    report = call("report", result["run_id"], "--json")
    assert report.code == 0
    assert report.json == {key: value for key, value in result.items() if key != "error"}
    assert "BLOCKED: RMSE" in call("report", result["run_id"]).out


def test_report_of_the_live_night(call: Call, live: Any) -> None:
    told = call("report", "--json")
    assert told.code == 0
    assert (told.json["publication_id"], told.json["published"]) == (2, True)
    assert call("report", live.made["first"].json["run_id"], "--json").json == live.made["first"].json


def test_the_html_report_also_of_a_run_that_got_nowhere(call: Call, live: Any, tmp_path: Path) -> None:
    told = call("report", "--html", tmp_path / "live.html", "--json")
    assert told.json == {"run_id": call("report", "--json").json["run_id"], "file": str(tmp_path / "live.html")}
    assert ">Published<" in (tmp_path / "live.html").read_text("utf-8")
    assert call("run", "--as-of", "2023-12-01", "--json").line.startswith("RunTooOld: ")  # before what is live
    run_id = "night-20231201T050000.000000Z"
    assert call("report", run_id, "--html", tmp_path / "old.html").out == (
        f"report of run {run_id} in {tmp_path / 'old.html'}\n"
    )
    assert "RunTooOld" in (tmp_path / "old.html").read_text("utf-8")
    nowhere = call("report", "--html", tmp_path / "no" / "folder.html")
    assert (nowhere.code, "cannot be written: No such file or directory" in nowhere.err) == (2, True)
    none = call("report", "night-of-the-owl", "--html", tmp_path / "none.html")
    assert (none.code, (tmp_path / "none.html").exists()) == (1, False)
    assert none.line.startswith("ArtifactBroken: ")


def test_report_of_no_night(call: Call, live: Any) -> None:
    told = call("report", "night-of-the-owl", "--json")
    assert told.code == 1
    assert told.line.startswith("StageMissing: ")
    assert told.json["error"]["type"] == "StageMissing"


def test_status(call: Call, live: Any) -> None:
    told = call("status", "--json")
    assert (told.code, told.err) == (4, "")  # a night of long ago
    found = told.json
    assert (found["publication_id"], found["users"], found["is_stale"]) == (2, 60, True)
    assert datetime.fromisoformat(found["data_through"]).isoformat() == "2024-01-02T00:00:00+00:00"
    assert "night-20240102T000000" in call("status").out


def test_show(call: Call, live: Any) -> None:
    user = live.shown()[0]["user_id"]
    own = [row for row in live.shown() if row["user_id"] == user]
    found = call("show", user, "--json").json
    assert (found["user_id"], found["source"], found["publication_id"]) == (user, "model", 2)
    assert [row["experience_id"] for row in found["recommendations"]] == [row["experience_id"] for row in own]
    assert [row["rank"] for row in call("show", user, "-n", 2, "--json").json["recommendations"]] == [1, 2]
    told = call("show", user)
    assert told.out.startswith(f"User {user} (model, publication 2)")
    assert own[0]["experience_name"] in told.out
    assert call("show", 999_999, "--json").json["source"] == "popular"


def test_before_migrating_and_before_publishing(call: Call, live: Any) -> None:
    for name in ("status before migrating", "import before migrating"):
        told = live.made[name]
        assert told.code == 1, name
        assert told.line.startswith("SchemaMissing: "), name
        assert "Next: Run `recommender-job migrate`." in told.line, name
    assert live.made["migrate"].json == call("migrate", "--json").json == {"revision": "0008"}
    told = live.made["status before publishing"]
    assert told.code == 1
    assert "NotPublished: Nothing has been published yet." in told.line
    assert sorted(told.json["error"]) == ["action", "cause", "runbook", "type"]


def test_an_unknown_setting_is_a_wrong_call(call: Call, live: Any) -> None:
    told = call("run", "--set", "gate.max_rms=1", "--json")
    assert told.code == 2
    assert told.json["error"]["cause"] == "Unknown setting `gate.max_rms`."
    assert "Unknown setting `gate.max_rms`" in told.line
    assert "gate.max_rmse" in told.line.split("Next:")[1]


def test_a_missing_file(call: Call, live: Any) -> None:
    told = call("import-ratings", "no such file.csv", "--json")
    assert told.code == 1
    assert "BadFile: no such file.csv: No such file or directory." in told.line
    assert told.json["error"]["type"] == "BadFile"
    plain = call("import-ratings", "no such file.csv")
    assert (plain.code, plain.out) == (1, "")


def test_import_with_options_of_its_own(call: Call, live: Any, write_csv: Callable[..., Path]) -> None:
    lines = [
        "7001;Paseo en globo;5;31/01/2023",
        "7001; paseo  en GLOBO ;4;01/02/2023",
        "7002;Paseo en globo;9;01/02/2023",
    ]
    file = write_csv(lines, header="who;what;stars;when", name="own.csv")
    names = ["--user", "who", "--experience", "what", "--rating", "stars", "--rated-at", "when"]
    told = call("import-ratings", file, *names, "--date-format", "%d/%m/%Y", "--delimiter", ";", "--json")
    assert told.json == {
        "read": 3, "imported": 2, "corrected": 0, "unchanged": 0, "rejected": 1, "users": 1, "experiences": 1,
    }  # fmt: skip
