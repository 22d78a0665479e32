"""The pages that only show something. Each endpoint is a plain function: the database is asked in a thread."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from markupsafe import Markup

from recommendations.access import Looking
from recommendations.airflow_records import runs_known
from recommendations.reading import (
    configured,
    default_list,
    latest_report,
    list_of,
    overview,
    report_of,
    user_id_of,
)
from recommendations.runbook import document, rendered
from recommendations.showing import REPORT_POLICY, headers, page
from recommendations.sparkline import sparkline

router = APIRouter()


@router.get("/")
def first(request: Request, visitor: Looking) -> Response:
    """What is live, what is kept, and the last nights."""
    config, database = configured()
    found = overview(config, database)
    runs = {night["run_id"] for night in found.nights} | {row["run_id"] for row in found.kept}
    return page(
        request,
        "overview.html",
        found=found,
        visitor=visitor,
        zone=config.timezone,
        chart=sparkline(found.nights, config.timezone),
        in_airflow=runs_known(runs),
    )


@router.get("/list")
def someones_list(request: Request, visitor: Looking, user: str = "") -> Response:
    """A user's row as the website shows it, or the default row."""
    _, database = configured()
    user_id = user_id_of(user)
    if user.strip() and user_id is None:
        return page(request, "list.html", code=422, typed=user, user_id=None, wrong=True, own=False, rows=[])
    if user_id is None:
        rows, own = default_list(database), False
    else:
        shown = list_of(database, user_id)
        rows, own = shown["recommendations"], shown["source"] == "model"
    return page(request, "list.html", typed=user, user_id=user_id, wrong=False, own=own, rows=rows)


@router.get("/report/latest")
def last_report(request: Request, visitor: Looking) -> Response:
    """The report of the last night that has one."""
    run_id = latest_report(*configured())
    if run_id is None:
        return _no_report(request, "There is no report yet. A night that ends writes one, also a blocked one.")
    return RedirectResponse(f"{request.scope['root_path']}/report/{quote(run_id, safe='')}", 303)


@router.get("/report/{run_id:path}")
def report(request: Request, visitor: Looking, run_id: str) -> Response:
    """A run's report: one file, served as it is, in which nothing may run."""
    config, _ = configured()
    html = report_of(config, run_id)
    if html is None:
        return _no_report(
            request,
            f"Run {run_id} has no report here. Either it has not got so far, its folder was deleted,"
            f" or it lies elsewhere than in {config.runs}.",
        )
    return Response(html, media_type="text/html; charset=utf-8", headers=headers(REPORT_POLICY))


@router.get("/{name}")
def read_document(request: Request, visitor: Looking, name: str) -> Response:
    """The runbook, or the contract that it links to."""
    file = document(name)
    if file is None:
        return page(
            request, "message.html", code=404, title="Not found", text="There is no such page, or its file is missing."
        )
    return page(request, "document.html", title=file.stem, html=Markup(rendered(file.read_text("utf-8"))))


def _no_report(request: Request, text: str) -> Response:
    return page(request, "message.html", code=404, title="No report", text=text)
