"""The night, stage by stage, in order. Start reading here.

Every stage is `(config, run) → summary`: it reads what the stages before it left in the run folder, replaces its own
output there and nothing else, and returns a small dictionary that JSON can hold. The DAG, the command line and the
tests call these same functions.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog

from recommender_job.config import Config
from recommender_job.errors import GateBlocked
from recommender_job.evaluating import approval
from recommender_job.reporting import failed_stages
from recommender_job.reporting.walk import walk
from recommender_job.runs import Run, folder_of, stage_of
from recommender_job.stages import Stage, Summary, stage_named
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database

CHALLENGER = "train/challenger"
CHAMPION = "train/champion"
FINAL = "refit/model"
SAVED_MODEL = "refit/saved_model"
REPORT = "report/report.html"

_log = structlog.get_logger(__name__)


@stage_named("extract")
def extract(config: Config, run: Run, folder: RunFolder) -> Summary:
    """Reads the ratings that are new, and the users and experiences, into the run's snapshot."""
    from recommender_job.publishing.publish import refuse_to_go_back
    from recommender_job.ratings.extract import extract as work
    from recommender_job.storage.schema import check_current

    database = Database.of(config)
    check_current(database)
    with database.transaction() as transaction:
        refuse_to_go_back(config, run, transaction)  # now, rather than after hours of training
    return work(config, run, folder, database)


@stage_named("clean")
def clean(config: Config, run: Run, folder: RunFolder) -> Summary:
    """Sets unusable rows apart and keeps one rating for each pair."""
    from recommender_job.ratings.clean import clean as work

    folder.summary("extract")
    return work(config, run, folder, Database.of(config))


@stage_named("train")
def train(config: Config, run: Run, folder: RunFolder, **hooks: Any) -> Summary:
    """Holds some pairs out, chooses and trains the challenger on the others, and trains the champion again."""
    from recommender_job.publishing.publications import live_recipe
    from recommender_job.ranking.stages import train as work

    folder.summary("clean")
    return work(config, folder, CHALLENGER, CHAMPION, live_recipe(Database.of(config)), **hooks)


@stage_named("evaluate")
def evaluate(config: Config, run: Run, folder: RunFolder) -> Summary:
    """Predicts the held-out pairs with the challenger, the champion and the naive baselines, and makes their lists."""
    from recommender_job.evaluating.stage import evaluate as work

    folder.summary("train")
    folder.remove(approval.VERDICT)  # of an earlier attempt
    return work(config, folder, CHALLENGER, CHAMPION)


@stage_named("gate")
def gate(config: Config, run: Run, folder: RunFolder) -> Summary:
    """Lets the challenger pass, or stops the night with `GateBlocked`; with `ask` it ends, and `override` decides."""
    from recommender_job.evaluating.gate import raise_if_blocked, verdict

    approval.take_back(folder)
    folder.remove(approval.VERDICT)
    failed_stages.forget(folder, approval.STAGE)
    figures = verdict(folder.summary("evaluate"), config.gate)
    folder.write_json(approval.VERDICT, figures)  # also when it blocks: the report shows it
    if config.gate.when_blocked != "ask":
        raise_if_blocked(figures)
    return figures


@stage_named(approval.STAGE)
def override(config: Config, run: Run, folder: RunFolder, *, by: str, at: datetime, reason: str) -> Summary:
    """Lets a model that the gate has blocked be published, and keeps who did that, when and why."""
    return approval.record(folder, by=by, at=at, reason=reason)


@stage_named("refit")
def refit(config: Config, run: Run, folder: RunFolder, **hooks: Any) -> Summary:
    """Trains the final model, by the challenger's recipe, on all ratings."""
    from recommender_job.ranking.stages import refit as work

    approval.require_passed(folder)
    return work(config, folder, CHALLENGER, FINAL, SAVED_MODEL, **hooks)


@stage_named("plan_shards")
def plan_shards(config: Config, run: Run, folder: RunFolder) -> Summary:
    """Decides which users are scored in which shard, against which experiences."""
    from recommender_job.scoring.plan import plan

    folder.summary("refit")
    return plan(config, run, folder)


@stage_named(stage_of)
def score(config: Config, run: Run, folder: RunFolder, shard: int) -> Summary:
    """Predicts every user-experience pair of one shard and keeps each user's best."""
    from recommender_job.ranking.predictor import Predictor
    from recommender_job.ranking.relevance import RelevanceModel
    from recommender_job.scoring.score import score as work

    folder.summary("plan_shards")
    return work(config, folder, shard, Predictor.load(folder, FINAL), RelevanceModel.load(folder, FINAL))


@stage_named("publish")
def publish(config: Config, run: Run, folder: RunFolder) -> Summary:
    """Loads the lists into a new publication, checks them and switches the website to it."""
    from recommender_job.publishing.publish import publish as work
    from recommender_job.ranking.stages import load_recipe

    folder.summary("refit")
    approval.require_passed(folder)  # a later attempt at the gate may have blocked what was refitted before
    return work(config, run, folder, Database.of(config), load_recipe(folder, FINAL))


@stage_named("report")
def report(config: Config, run: Run, folder: RunFolder) -> Summary:
    """Writes the run report as far as the run has come, and keeps the night among the nights; never needs a stage."""
    from recommender_job.reporting.report import report as work

    return work(config, run, folder, REPORT, now=datetime.now(UTC))


def report_html(config: Config, run_id: str) -> str:
    """The report of a run, as it was last written.

    Raises:
        ArtifactBroken: There is none.
    """
    folder = RunFolder(config.runs, folder_of(run_id))
    with folder.reading(REPORT):
        return str((folder.path / REPORT).read_text("utf-8"))


def _report_anyway(config: Config, run: Run) -> None:
    """Writes the report at the end of a night, however it ended; what became of the night is not changed by that."""
    try:
        report(config, run)
    except Exception as error:
        # the stage has noted it in the run folder; the night's own outcome must not be hidden behind it.
        _log.warning("the run report could not be written", run_id=run.run_id, error=str(error))


def run_night(
    config: Config, run: Run, *, report: Callable[[str, Summary | None], None] = lambda stage, summary: None
) -> Summary:
    """Runs all stages in this process, in the DAG's order; the run report is written however they end.

    Nobody is asked: a blocked gate stops it.

    Args:
        config: Settings.
        run: The night.
        report: Called with a stage's name and None when it begins, and with its summary when it has ended.

    Returns:
        What `result` returns.

    Raises:
        GateBlocked: Its `figures` are what `result` returns.
    """

    config = approval.deciding(config, "stop")

    def do(stage: Stage, name: str, *shard: int) -> Summary:
        report(name, None)
        summary = stage(config, run, *shard)
        report(name, summary)
        return summary

    try:
        for stage in (extract, clean, train, evaluate):
            do(stage, stage.__name__)
        try:
            do(gate, "gate")
        except GateBlocked as blocked:
            blocked.figures = result(config, run.run_id)
            raise
        do(refit, "refit")
        for shard in do(plan_shards, "plan_shards")["shards"]:
            do(score, stage_of(shard), shard)
        do(publish, "publish")
    except Exception:
        _report_anyway(config, run)
        raise
    _report_anyway(config, run)
    return result(config, run.run_id)


def result(config: Config, run_id: str) -> Summary:
    """What a run has come to, from its folder; wherever its stages ran.

    Returns:
        `run_id`, `cutoff`, `published`, `publication_id`, `gate` (`passed`, `reasons`), `override` (`by`, `at`,
        `reason` of who let a blocked model through, or None), `rmse`, `baselines`, `metrics` (of the evaluate stage)
        and `stages`: the summaries, in order, of what `walk` counts as done.

    Raises:
        StageMissing: The run has not got as far as the gate.
        ArtifactBroken: A summary or the verdict is damaged.
    """
    folder = RunFolder(config.runs, folder_of(run_id))
    walked = walk(folder)
    if "evaluate" not in walked.stages:
        folder.summary(walked.unfinished[0])  # says that it is missing; what later stages left is of an earlier attempt
    if "gate" not in walked.stages and not (folder.path / approval.VERDICT).exists():
        folder.summary("gate")
    stages, verdict = walked.stages, folder.read_json(approval.VERDICT)
    metrics, published = stages["evaluate"], stages.get("publish", {})
    return {
        "run_id": run_id,
        "cutoff": stages["extract"]["cutoff"],
        "published": published.get("published", False),
        "publication_id": published.get("publication_id"),
        "gate": {"passed": verdict["passed"], "reasons": verdict["reasons"]},
        "override": walked.override,
        "rmse": metrics["rmse"],
        "baselines": metrics["baselines"],
        "metrics": metrics,
        "stages": stages,
    }
