"""A night and a backtest as lines of text."""

from __future__ import annotations

from typing import Any

_COUNTS = (
    "extracted", "deleted", "snapshot", "pairs", "rejected", "holdout", "epochs", "users", "opt_outs", "rows",
    "distinct_lists", "pruned",
)  # fmt: skip


def night_lines(result: dict[str, Any]) -> list[str]:
    """The result of a night for people: verdict, figures, stages.

    Args:
        result: What `nightly.run_night` returns.
    """
    verdict = "passed" if result["gate"]["passed"] else "BLOCKED: " + " ".join(result["gate"]["reasons"])
    if result["published"]:
        live = f"publication {result['publication_id']} is live"
    elif result["publication_id"]:
        live = f"dry run: publication {result['publication_id']} was built and checked, not switched to"
    else:
        live = "nothing was published"
    return [
        f"Run {result['run_id']}, ratings before {result['cutoff']}: {live}",
        f"Gate {verdict}",
        *override_lines(result["override"]),
        *selection_lines(result["metrics"]["selection"]),
        *figure_lines(result["metrics"]),
        *list_lines(result["metrics"]["lists"]),
        *stage_lines(result["stages"]),
    ]


def override_lines(override: dict[str, Any] | None) -> list[str]:
    """Who let a blocked model through; no line where nobody had to."""
    if override is None:
        return []
    return [f"Approved all the same by {override['by']}, {override['at'][:16]} UTC: {override['reason']}"]


def figure_lines(metrics: dict[str, Any]) -> list[str]:
    """RMSE and MAE of the model and of each baseline on the same pairs."""
    label = "model, as the champion" if metrics.get("champion_is") == "same" else "model"
    rows = [(label, metrics["rmse"], metrics["mae"])]
    if metrics["champion"]:
        rows.append(("champion", metrics["champion"]["rmse"], metrics["champion"]["mae"]))
    rows += [(name, rmse, metrics["baselines_mae"][name]) for name, rmse in metrics["baselines"].items()]
    holdout = f", holdout {metrics['holdout']}" if "holdout" in metrics else ""
    lines = [f"{'on ' + format(metrics['n'], ',') + ' unseen pairs' + holdout:<38}{'RMSE':>8}{'MAE':>8}"]
    return lines + [f"  {name:<36}{rmse:>8.4f}{mae:>8.4f}" for name, rmse, mae in rows]


def selection_lines(selection: dict[str, Any]) -> list[str]:
    """What the model is made of, and how that was found."""
    lines = []
    model, relevance = selection["model"], selection["relevance"]
    if model:
        parts = ", ".join(f"{name} {weight:.2f}" for name, weight in model["chosen"].items())
        seeds = "one seed each" if model["seeds"] == 1 else f"{model['seeds']} seeds each"
        lines.append(
            f"model chosen among {len(model['candidates'])} on {model['validation_pairs']:,} validation pairs in"
            f" {model['seconds']:.1f} s: {parts}; {seeds}"
        )
    else:
        lines.append(f"model {selection['how']}")
    if relevance:
        settings = f"l2 {relevance['l2']:g}, popularity {relevance['popularity']:g}"
        lines.append(f"relevance {relevance['method']}, {settings}; {relevance['tried']} settings compared")
    return lines


def list_lines(lists: dict[str, Any]) -> list[str]:
    """Recall and NDCG of the lists, of popularity's and by chance; what else the lists are like."""
    own = lists["model"]
    if own["recall@10"] is None:
        return [f"lists of {lists['users']:,} users; none of them liked a held-out experience"]
    asked = f"lists of 10, {lists['users_who_liked']:,} users who liked something"
    rows = [f"{asked:<38}{'recall':>8}{'NDCG':>8}"]
    for label, name in (("model", "model"), ("popularity", "popularity"), ("drawn by lot", "random")):
        rows.append(f"  {label:<36}{lists[name]['recall@10']:>8.4f}{lists[name]['ndcg@10']:>8.4f}")
    # Neither is known where every user has had all that there is, so that all lists are empty.
    coverage, different = ("-" if own[name] is None else f"{own[name]:.1%}" for name in ("coverage", "distinct_lists"))
    return [*rows, f"  coverage {coverage} of the catalogue, {different} as many lists as users"]


def stage_lines(stages: dict[str, dict[str, Any]]) -> list[str]:
    """Seconds and counts of each stage, and the seconds of all."""
    lines = [f"{'stage':<14}{'seconds':>8}"]
    for name, summary in stages.items():
        counts = ", ".join(f"{key} {summary[key]:,}" for key in _COUNTS if isinstance(summary.get(key), int))
        lines.append(f"  {name:<12}{summary['seconds']:>8.2f}  {counts}".rstrip())
    total = sum(summary["seconds"] for summary in stages.values())
    return [*lines, f"  {'all':<12}{total:>8.2f}"]


def backtest_lines(figures: dict[str, Any]) -> list[str]:
    """The figures of a backtest for people."""
    seen = figures["seen_pairs"]
    told = f"{seen:,} pairs of the test file are in the training file, too: predicted, but in none of these figures"
    return [
        *selection_lines(figures["selection"]),
        *figure_lines(figures),
        *([told] if seen else []),
        *list_lines(figures["lists"]),
        f"trained on {figures['train_pairs']:,} pairs, {figures['epochs']} epochs; {figures['rejected']} lines refused",
    ]
