"""The lines about lists, also where nothing can be said of them."""

from __future__ import annotations

from recommender_job.reporting.summary import list_lines


def test_where_all_lists_are_empty() -> None:
    figures = {"recall@10": 0.0, "ndcg@10": 0.0, "coverage": 0.0, "distinct_lists": None}
    lists = {"users": 3, "users_who_liked": 2, "model": figures, "popularity": figures, "random": figures}
    assert list_lines(lists)[-1] == "  coverage 0.0% of the catalogue, - as many lists as users"
    lists["model"] = {**figures, "coverage": None, "distinct_lists": 0.25}
    assert list_lines(lists)[-1] == "  coverage - of the catalogue, 25.0% as many lists as users"
