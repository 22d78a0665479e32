"""A blocked model and a person's word on it, on a real night: asked, let through, refused, and forgotten again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from recommender_job import nightly
from recommender_job.config import Config, load_config
from recommender_job.errors import GateBlocked, StageMissing
from recommender_job.evaluating import approval
from recommender_job.publishing.publications import publications
from recommender_job.reporting.summary import night_lines
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database
from tests.graphs import kept_graphs
from tests.small_night import RUN, SmallNight, small_night

__all__ = ["kept_graphs"]

AT = datetime(2024, 1, 1, 3, 30, tzinfo=UTC)
WORD: dict[str, Any] = {"by": "ana", "at": AT, "reason": "The holdout holds the fair's odd day."}


@pytest.fixture(scope="module")
def night(server: sa.URL, tmp_path_factory: pytest.TempPathFactory) -> SmallNight:
    return small_night(server, tmp_path_factory.mktemp("approval"))


@pytest.fixture
def blocked(night: SmallNight) -> Config:
    """The night's settings, with a bound that no model reaches; asking."""
    return night.config.model_copy(
        update={"gate": night.config.gate.model_copy(update={"max_rmse": 0.01, "when_blocked": "ask"})}
    )


@pytest.fixture
def folder(night: SmallNight) -> RunFolder:
    return night.folder


def test_asked_the_gate_ends_with_its_word_and_nothing_goes_on(blocked: Config, folder: RunFolder) -> None:
    told = nightly.gate(blocked, RUN)
    assert not told["passed"]
    for later in (nightly.publish, nightly.refit):
        with pytest.raises(GateBlocked, match=r"above the bound gate.max_rmse 0.01. Nobody has approved it"):
            later(blocked, RUN)
    asked = approval.question(folder, RUN)
    assert asked
    assert RUN.run_id in asked["subject"]
    assert "\n" not in asked["subject"]
    for expected in (*told["reasons"], "| challenger | ", "| global_mean | "):
        assert expected in asked["body"]
    result = nightly.result(blocked, RUN.run_id)
    assert (result["gate"]["passed"], result["override"], result["published"]) == (False, None, False)
    assert list(result["stages"])[-1] == "gate"


def test_stopping_and_undecided_it_fails(blocked: Config) -> None:
    for decided in ("stop", "auto"):
        gate = blocked.gate.model_copy(update={"when_blocked": decided})
        with pytest.raises(GateBlocked):
            nightly.gate(blocked.model_copy(update={"gate": gate}), RUN)
        with pytest.raises(StageMissing, match="`gate`"):
            nightly.refit(blocked, RUN)


def test_a_model_that_the_gate_has_not_judged_goes_no_further(
    night: SmallNight, folder: RunFolder, blocked: Config
) -> None:
    judged = nightly.gate(blocked, RUN)
    assert judged["model_version"] == folder.summary("train")["model_version"]
    folder.finish("gate", {**judged, "passed": True})
    approval.require_passed(folder)
    trained = folder.summary("train")
    folder.finish("train", {**trained, "model_version": "another"})
    with pytest.raises(StageMissing, match="since then `train` has begun again, and made another") as caught:
        nightly.refit(night.config, RUN)
    assert "`evaluate`" in caught.value.action
    folder.finish("train", trained)


def test_a_verdict_of_an_earlier_attempt_is_gone(blocked: Config, folder: RunFolder) -> None:
    nightly.gate(blocked, RUN)
    nightly.evaluate(blocked, RUN)
    folder.begin("gate")
    with pytest.raises(StageMissing, match="`gate` has not finished"):
        nightly.result(blocked, RUN.run_id)


def test_the_command_line_never_waits(blocked: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    for stage in ("extract", "clean", "train", "evaluate"):
        monkeypatch.setattr(nightly, stage, named(stage))
    with pytest.raises(GateBlocked) as caught:
        nightly.run_night(blocked, RUN)
    assert "Nobody has approved" not in caught.value.cause, "it stopped at the gate"
    assert caught.value.stage == "gate"


def named(stage: str) -> Callable[..., dict[str, Any]]:
    def done(config: Config, run: Any) -> dict[str, Any]:
        return {}

    done.__name__ = stage
    return done


def test_let_through_it_is_published_with_who_when_and_why(
    blocked: Config, night: SmallNight, database: Database, folder: RunFolder
) -> None:
    nightly.gate(blocked, RUN)
    nightly.override(blocked, RUN, **WORD)
    nightly.refit(blocked, RUN)
    for shard in nightly.plan_shards(blocked, RUN)["shards"]:
        nightly.score(blocked, RUN, shard)
    summary = nightly.publish(blocked, RUN)
    kept = {"by": "ana", "at": AT.isoformat(), "reason": WORD["reason"]}
    assert summary["override"] == kept
    result = nightly.result(blocked, RUN.run_id)
    assert (result["override"], result["published"], list(result["stages"])[-1]) == (kept, True, "publish")
    assert folder.read_json("gate/override.json") == kept
    newest = publications(night.database)[0]
    assert (newest["override_by"], newest["override_at"], newest["override_reason"]) == ("ana", AT, WORD["reason"])
    lines = night_lines(nightly.result(blocked, RUN.run_id))
    assert f"Approved all the same by ana, 2024-01-01T03:30 UTC: {WORD['reason']}" in lines


def test_a_new_attempt_at_the_gate_takes_the_approval_back(blocked: Config, folder: RunFolder) -> None:
    nightly.gate(blocked, RUN)
    nightly.override(blocked, RUN, **WORD)
    assert approval.read(folder)
    nightly.gate(blocked, RUN)
    assert approval.read(folder) is None
    assert not Path(folder.url("gate/override.json")).exists()
    with pytest.raises(GateBlocked):
        nightly.publish(blocked, RUN)


def test_an_approval_that_was_cut_short_does_not_count(blocked: Config, folder: RunFolder) -> None:
    nightly.gate(blocked, RUN)
    folder.write_json("gate/override.json", {"by": "ana"})
    assert approval.read(folder) is None


def test_a_model_that_passes_needs_and_keeps_no_approval(blocked: Config, night: SmallNight, folder: RunFolder) -> None:
    nightly.gate(blocked, RUN)
    nightly.override(blocked, RUN, **WORD)
    folder.finish("gate", {"passed": True, "seconds": 0.1})
    assert approval.question(folder, RUN) is None
    assert approval.read(folder) is None
    assert nightly.publish(night.config, RUN)["override"] is None
    newest = publications(night.database)[0]
    assert (newest["override_by"], newest["override_at"], newest["override_reason"]) == (None, None, None)
    assert not any("Approved" in line for line in night_lines(nightly.result(night.config, RUN.run_id)))


@pytest.mark.parametrize(("by", "reason", "said"), [("ana", "  ", "without saying why"), (" ", "so", "saying who")])
def test_without_a_name_or_a_reason_it_does_not_count(
    blocked: Config, folder: RunFolder, by: str, reason: str, said: str
) -> None:
    nightly.gate(blocked, RUN)
    with pytest.raises(GateBlocked, match=said) as caught:
        nightly.override(blocked, RUN, by=by, at=AT, reason=reason)
    assert (caught.value.run_id, caught.value.stage) == (RUN.run_id, "override")
    assert approval.read(folder) is None


def test_a_refusal_says_who_or_that_nobody_answered(blocked: Config, folder: RunFolder) -> None:
    nightly.gate(blocked, RUN)
    told = approval.refusal(folder, RUN, by="ana", reason=" too few ratings ", hours=6)
    assert "ana rejected it: too few ratings." in told.cause
    assert "ana rejected it." in approval.refusal(folder, RUN, by="ana", reason="", hours=6).cause
    nobody = approval.refusal(folder, RUN, by=None, reason="", hours=0.5)
    assert "Nobody answered within 0.5 hours" in nobody.cause
    for error in (told, nobody):
        assert "gate.max_rmse" in error.cause
        assert "global_mean" in error.cause
        assert "The website keeps" in error.action
        assert (error.run_id, error.stage) == (RUN.run_id, "approve")
        assert error.figures["passed"] is False


def test_deciding_changes_nothing_else() -> None:
    config = load_config({"gate.max_rmse": 0.7, "gate.answer_hours": 2})
    decided = approval.deciding(config, "ask")
    assert decided.gate.when_blocked == "ask"
    assert approval.deciding(decided, "stop").gate == config.gate.model_copy(update={"when_blocked": "stop"})
    assert decided.model_copy(update={"gate": config.gate}) == config
