"""Going back to a kept publication: a page that asks, and the switch, on the record in Airflow's audit log."""

from __future__ import annotations

import logging
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from recommendations.access import RollingBack
from recommendations.airflow_records import record
from recommendations.reading import configured, kept
from recommendations.showing import page
from recommendations.tokens import accepts, token
from recommender_job.errors import PublicationBusy, RecommenderError
from recommender_job.publishing import publications

log = logging.getLogger(__name__)
router = APIRouter(prefix="/rollback")


@router.get("/{publication_id}")
def ask(request: Request, visitor: RollingBack, publication_id: int) -> Response:
    """Shows what would change, and asks."""
    return _ask(request, visitor, publication_id)


@router.post("/{publication_id}")
def switch(
    request: Request, visitor: RollingBack, publication_id: int, given: Annotated[str, Form(alias="token")] = ""
) -> Response:
    """Makes it live. It is on the record before anything changes: no record, no switch."""
    _, database = configured()
    live = _live(kept(database))
    if not accepts(given, visitor.id, publication_id, live):
        return _ask(request, visitor, publication_id, again=True)
    details = {"publication_id": publication_id, "previous": live}
    record("rollback_recommendations", visitor, **details)
    try:
        done = publications.rollback(database, publication_id, expected=live)
    except Exception as error:
        _record_failure(visitor, error, **details)
        if isinstance(error, PublicationBusy) and _live(kept(database)) != live:
            return _ask(request, visitor, publication_id, again=True)  # a night has switched since we looked
        raise
    return page(request, "rolled_back.html", done=done, name=visitor.name)


def _record_failure(visitor: RollingBack, error: Exception, **details: Any) -> None:
    """Of an error that is none of the job's own only the kind: its text goes into the server's log."""
    cause = error.cause if isinstance(error, RecommenderError) else type(error).__name__
    try:
        record("rollback_recommendations_failed", visitor, **details, cause=cause)
    except Exception:  # the first error is the one to be told
        log.exception("The audit log does not say that this rollback failed")


def _ask(request: Request, visitor: RollingBack, publication_id: int, *, again: bool = False) -> Response:
    config, database = configured()
    rows = kept(database)
    target, live = publications.chosen(rows, publication_id), _live(rows)
    return page(
        request,
        "rollback.html",
        code=409 if again else 200,
        again=again,
        target=target,
        current=next((row for row in rows if row["is_active"]), None),
        zone=config.timezone,
        token=token(visitor.id, publication_id, live),
    )


def _live(rows: list[dict[str, Any]]) -> int | None:
    return next((row["publication_id"] for row in rows if row["is_active"]), None)
