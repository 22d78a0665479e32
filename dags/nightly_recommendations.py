"""### Nightly recommendations

Reads the new ratings, chooses and trains tonight's model (the *challenger*), evaluates it on ratings it has not seen
beside the settings of what is live (the *champion*), lets it pass the gate or stops, trains the final model on all
ratings, predicts every user-experience pair in shards, and publishes each user's best experiences in one switch.

**When a task fails**, its error says what happened and what to do next; `docs/runbook.md` explains each one. The
website keeps last night's lists until `publish` has switched. *Clear* is always safe: a task replaces its own output
and nothing else. Clear a failed task and Airflow goes on from there. However a night ends, `report` writes its report;
on a bad night it is red as well, so that it is cleared with what failed.

**When the gate blocks** a scheduled night, `approve` waits for somebody to look at the figures and to approve or reject
(*Required Actions*); runs by hand stop instead. No answer in time means: the website keeps what it shows.

**Starting a run by hand** offers a form: length of the lists, number of shards, cutoff, dry run (everything is built
and checked, nothing is switched), what happens when the gate blocks, and any other setting as `{"gate.max_rmse": 0.9}`.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, CronTriggerTimetable, Param, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from recommender_approval import GateApproval
from recommender_notices import Notice
from recommender_retries import CALLBACKS, RETRIES

#: The address is a name, not a place: host, database, schema and table, as Airflow's Postgres provider insists on.
RECOMMENDATIONS = Asset(
    name="recommendations",
    uri="postgres://recommender/recommender/recommender/recommendations",
    extra={"contract": "docs/table-contract.md"},
)

#: Where tasks wait that take about 1 GB each. Only who runs Airflow knows of a pool that is there: in a missing one
#: tasks would wait for ever.
HEAVY = os.environ.get("RECOMMENDATIONS_POOL", "default_pool")

PARAMS = {
    "top_n": Param(
        None, type=["null", "integer"], minimum=1, title="Length of the lists", description="Empty: config."
    ),
    "shards": Param(
        None, type=["null", "integer"], minimum=1, maximum=1024, title="Shards", description="Empty: config."
    ),
    "cutoff": Param(
        None,
        type=["null", "string"],
        format="date-time",
        title="Cutoff",
        description="Ratings before this moment are seen. Empty: the moment the run was due.",
    ),
    "dry_run": Param(
        False, type="boolean", title="Dry run", description="Build and check, but do not switch. Off: config."
    ),
    "when_blocked": Param(
        None,
        enum=[None, "auto", "ask", "stop"],
        title="When the gate blocks",
        description="ask: wait for somebody to approve; stop: fail; auto: ask in scheduled runs only. Empty: config.",
    ),
    "settings": Param({}, type="object", title="Other settings", description='Such as {"gate.max_rmse": 0.9}.'),
}


def night() -> tuple[Any, Any]:
    """The configuration and the run of the task that asks: the form's settings over those of the environment."""
    from recommender_job.config import load_config
    from recommender_job.evaluating.approval import deciding
    from recommender_job.runs import Run, moment

    context = get_current_context()
    form = context["params"]
    asked = {key: form[key] for key in ("top_n", "shards", "dry_run") if form[key]}
    if form["when_blocked"] is not None:
        asked["gate.when_blocked"] = form["when_blocked"]
    config = load_config({**asked, **form["settings"]})
    if config.gate.when_blocked == "auto":
        config = deciding(config, "ask" if context["dag_run"].run_type == "scheduled" else "stop")
    cutoff = moment(form["cutoff"], config.timezone) if form["cutoff"] else context["dag_run"].run_after
    return config, Run(context["run_id"], cutoff)


@dag(
    schedule=CronTriggerTimetable("0 2 * * *", timezone="America/Bogota", interval=timedelta(days=1)),
    catchup=False,
    max_active_runs=1,
    default_args={**RETRIES, **CALLBACKS},
    params=PARAMS,
    doc_md=__doc__,
    tags=["recommendations"],
)
def nightly_recommendations() -> None:
    """One task for each stage of `recommender_job.nightly`; the last lines of this function are the night."""

    @task
    def extract() -> dict[str, Any]:
        """Reads the ratings that are new, and the users and experiences, into the run's snapshot."""
        from recommender_job import nightly
        from recommender_job.isolation import in_child

        return in_child(nightly.extract, *night())

    @task
    def clean() -> dict[str, Any]:
        """Sets unusable rows apart and keeps one rating for each pair."""
        from recommender_job import nightly
        from recommender_job.isolation import in_child

        return in_child(nightly.clean, *night())

    @task(pool=HEAVY)
    def train() -> dict[str, Any]:
        """Holds some pairs out, chooses and trains the challenger on the others, and trains the champion again."""
        from recommender_job import nightly
        from recommender_job.isolation import in_child

        return in_child(nightly.train, *night())

    @task(pool=HEAVY)
    def evaluate() -> dict[str, Any]:
        """Predicts the held-out pairs with challenger, champion and naive baselines, and makes their lists."""
        from recommender_job import nightly
        from recommender_job.isolation import in_child

        return in_child(nightly.evaluate, *night())

    @task
    def gate() -> dict[str, Any]:
        """Lets the challenger pass, or fails with `GateBlocked`; where somebody is asked, `approve` decides."""
        from recommender_job import nightly
        from recommender_job.isolation import in_child

        return in_child(nightly.gate, *night())

    @task(pool=HEAVY)
    def refit() -> dict[str, Any]:
        """Trains the final model, by the challenger's recipe, on all ratings."""
        from recommender_job import nightly
        from recommender_job.isolation import in_child

        return in_child(nightly.refit, *night())

    @task
    def plan_shards() -> list[int]:
        """Decides which users are scored in which shard, against which experiences."""
        from recommender_job import nightly
        from recommender_job.isolation import in_child

        return in_child(nightly.plan_shards, *night())["shards"]

    @task(pool=HEAVY, map_index_template="shard {{ shard }}")
    def score(shard: int) -> dict[str, Any]:
        """Predicts every user-experience pair of one shard and keeps each user's best."""
        from recommender_job import nightly
        from recommender_job.isolation import in_child

        get_current_context()["shard"] = shard
        return in_child(nightly.score, *night(), shard)

    @task
    def publish() -> dict[str, Any]:
        """Loads the lists into a new publication, checks them and switches the website to it."""
        from recommender_job import nightly
        from recommender_job.isolation import in_child

        return in_child(nightly.publish, *night())

    @task(outlets=[RECOMMENDATIONS], on_success_callback=[*CALLBACKS["on_success_callback"], Notice("success")])
    def announce(summary: dict[str, Any]) -> None:
        """Tells DAGs that wait for the published table; skipped on a dry run."""
        if not summary["published"]:
            raise AirflowSkipException("Dry run: nothing was switched.")
        get_current_context()["outlet_events"][RECOMMENDATIONS].extra = summary

    @task
    def report() -> dict[str, Any]:
        """Writes the run report, however the night ended, and fails when the night has: so it is cleared with it."""
        from recommender_job import nightly
        from recommender_job.errors import StageMissing
        from recommender_job.isolation import in_child

        summary = in_child(nightly.report, *night())
        if not summary["is_explained"]:  # nobody has been told: the task was killed with all that could tell
            raise StageMissing(
                f"{' '.join(summary['reasons'])} Its process was killed, or Airflow has lost it.",
                action="Look at the machine's memory and at Airflow's own logs, then clear that task and what follows.",
            )
        if summary["outcome"] in ("blocked", "failed"):
            told = f"The night has ended {summary['outcome']}: {' '.join(summary['reasons'])}"
            raise AirflowFailException(f"The report is written, {summary['report']}. {told}")
        return summary

    approve = GateApproval(task_id="approve", night=night)
    shards, published = plan_shards(), publish()
    extract() >> clean() >> train() >> evaluate() >> gate() >> approve >> refit() >> shards
    scored, announced, reported = score.expand(shard=shards), announce(published), report().as_teardown()
    # A teardown runs whatever became of the others, and what becomes of it does not change what becomes of the run.
    scored >> published >> announced >> reported
    scored >> reported  # all shards have ended, also those that ran on when another had failed


nightly_recommendations()
