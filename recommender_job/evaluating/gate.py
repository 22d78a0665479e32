"""The gate: whether tonight's model may replace what the website shows."""

from __future__ import annotations

from typing import Any

from recommender_job.errors import GateBlocked
from recommender_job.settings import GateConfig

#: Fewer users than that prove nothing: the bootstrap is too sure of itself on them, and a few lists may well be alike.
ENOUGH = 30

_CHAMPION = {
    "none": "There is no champion yet: the first night is compared with the naive predictors only.",
    "same": "The champion has the challenger's settings: trained on the same ratings, it is the same model.",
    "unreadable": "What is live has a recipe that this version of the job cannot train, so it was not compared with.",
    "untrainable": "What is live has a recipe that did not converge on tonight's ratings, so it was not compared with.",
    "trained": "The champion was trained again, by its own settings, on the challenger's ratings.",
}
_WHERE = {"all": "all {n:,} held-out pairs", "known_users": "the {n:,} held-out pairs of known users"}


def rating_reasons(metrics: dict[str, Any], gate: GateConfig) -> list[str]:
    """Why the challenger's predicted ratings do not pass.

    It is compared with the best naive predictor and with the champion, on all pairs and on those of known users. A
    comparison blocks where the challenger is worse by more than chance explains. The significance is shared out among
    the comparisons, so that a model that is as good as the others is blocked once in 1 / significance nights at most.
    Fewer than `ENOUGH` users prove nothing.

    Args:
        metrics: `rmse` and `comparisons`, as `rating_figures` gives them.
        gate: The bounds.
    """
    reasons = []
    # Written so that a NaN blocks.
    if not metrics["rmse"] <= gate.max_rmse:
        reasons.append(f"RMSE {metrics['rmse']:.4f} is above the bound gate.max_rmse {gate.max_rmse:g}.")
    comparisons = metrics["comparisons"]
    for found in comparisons:
        enough = not found["users"] < ENOUGH
        if enough and not (found["difference"] <= 0 or found["chance"] >= gate.significance / len(comparisons)):
            low, high = found["interval"]
            reasons.append(
                f"RMSE {found['rmse']:.4f} on {_WHERE[found['on']].format(n=found['n'])} is significantly worse than"
                f" {found['with']}'s {found['other_rmse']:.4f}: by {found['difference']:.4f}, interval {low:.4f} to"
                f" {high:.4f}."
            )
    return reasons


def list_reasons(lists: dict[str, Any], gate: GateConfig) -> list[str]:
    """Why the challenger's lists do not pass.

    Args:
        lists: Figures as `list_figures` gives them.
        gate: The bounds. What could not be measured (None) does not block.
    """
    reasons = []
    if lists["users_without_list"]:
        reasons.append(f"{lists['users_without_list']:,} of {lists['users']:,} users get no list.")
    own, popular = lists["model"], lists["popularity"]
    below = lists["below_popularity"]
    enough = lists["users_who_liked"] >= ENOUGH
    if gate.max_list_loss < 1 and enough and below is not None and below < gate.significance:
        reasons.append(
            f"Lists hold {own['recall@10']:.1%} of what users went on to like, popularity's {popular['recall@10']:.1%};"
            f" gate.max_list_loss allows a loss of {gate.max_list_loss:.0%}."
        )
    personal = own["personal_lists"]
    if personal is not None and own["lists_compared"] >= ENOUGH and personal < gate.min_personal_lists:
        reasons.append(
            f"The lists are the same for nearly everybody: of the pairs compared among {own['lists_compared']:,} users,"
            f" {personal:.1%} have lists that differ by more than what the two have rated; gate.min_personal_lists asks"
            f" for {gate.min_personal_lists:.1%}."
        )
    # Where the catalogue is small, popularity's lists are few and alike too; nothing better is asked for then.
    distinct, enough = own["distinct_lists"], lists["users"] - lists["users_without_list"] >= ENOUGH
    if enough and distinct is not None and distinct < min(gate.min_distinct_lists, popular["distinct_lists"]):
        reasons.append(
            f"There are only {distinct:.1%} as many different lists as users, of popularity's"
            f" {popular['distinct_lists']:.1%}; gate.min_distinct_lists asks for {gate.min_distinct_lists:.1%}."
        )
    exposure = own["exposure"]
    if enough and exposure is not None and exposure > max(gate.max_exposure, popular["exposure"]):
        reasons.append(
            f"One experience stands in {exposure:.1%} of the lists, in {popular['exposure']:.1%} of popularity's;"
            f" gate.max_exposure allows {gate.max_exposure:.1%}."
        )
    return reasons


def verdict(metrics: dict[str, Any], gate: GateConfig) -> dict[str, Any]:
    """The gate's word on the metrics of the evaluate stage.

    Returns:
        `passed`, `reasons`, `champion` (a sentence on what the challenger was compared with), `champion_rmse`,
        `model_version` of the challenger, and of the metrics `rmse`, `rmse_interval`, `n`, `baselines`, `comparisons`
        and `lists`.
    """
    reasons = [*rating_reasons(metrics, gate), *list_reasons(metrics["lists"], gate)]
    champion = metrics["champion"]
    return {
        "passed": not reasons,
        "reasons": reasons,
        "champion": _CHAMPION[metrics["champion_is"]],
        "champion_rmse": champion and champion["rmse"],
        "model_version": metrics.get("model_version"),  # None: an older version evaluated
        **{key: metrics[key] for key in ("rmse", "rmse_interval", "n", "baselines", "comparisons", "lists")},
    }


def raise_if_blocked(figures: dict[str, Any]) -> None:
    """Stops the night when the verdict says so.

    Raises:
        GateBlocked: With the reasons and the table of figures.
    """
    if not figures["passed"]:
        raise GateBlocked(
            f"{' '.join(figures['reasons'])}\n{table(figures)}\n",
            action="The website keeps the active publication. Look at the ratings and the settings before you rerun.",
            figures=figures,
        )


def table(figures: dict[str, Any]) -> str:
    """The verdict's figures as lines of text: RMSE of the challenger and the others, and of their lists."""
    lines = []
    for title, columns, rows in tables(figures):
        lines.append(f"  {title:<28}" + "".join(f"{column:>8}" for column in columns))
        lines += [f"  {name:<28}" + "".join(f"{value:>8.4f}" for value in values) for name, values in rows]
    return "\n".join(lines)


def tables(figures: dict[str, Any]) -> list[tuple[str, list[str], list[tuple[str, list[float]]]]]:
    """The verdict's figures: for each table what its rows are about, its columns, and the rows with their names."""
    ratings = [("challenger", [figures["rmse"]])]
    if figures["champion_rmse"] is not None:
        ratings.append(("champion", [figures["champion_rmse"]]))
    ratings += [(name, [rmse]) for name, rmse in figures["baselines"].items()]
    found = [(f"on {figures['n']:,} pairs", ["RMSE"], ratings)]
    lists = figures["lists"]
    if lists["model"]["recall@10"] is not None:
        names = ("model", "popularity", "random")
        rows = [(name, [lists[name]["recall@10"], lists[name]["ndcg@10"]]) for name in names]
        found.append((f"lists of {lists['users_who_liked']:,} users", ["recall", "NDCG"], rows))
    return found
