"""The app that Airflow's API server serves at /recommendations."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from recommendations import pages, rollback
from recommendations.access import NotAllowedError, NotSignedInError, login_url
from recommendations.showing import HERE, page
from recommender_job.errors import NotPublished, RecommenderError, TransientError

log = logging.getLogger(__name__)


def create_app() -> FastAPI:
    """Makes it."""
    app = FastAPI(title="Recommendations", docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    app.include_router(pages.router)
    app.include_router(rollback.router)
    app.add_exception_handler(NotSignedInError, _sign_in)
    app.add_exception_handler(NotAllowedError, _not_allowed)
    app.add_exception_handler(RecommenderError, _explained)
    app.add_exception_handler(HTTPException, _no_such_page)
    app.add_exception_handler(RequestValidationError, _no_such_page)
    app.add_exception_handler(Exception, _unexpected)
    return app


def _sign_in(request: Request, error: Exception) -> Response:
    return RedirectResponse(login_url(request), 303)


def _not_allowed(request: Request, error: Exception) -> Response:
    return page(request, "message.html", code=403, title="Not allowed", text=str(error))


def _no_such_page(request: Request, error: Exception) -> Response:
    code = error.status_code if isinstance(error, HTTPException) else 404
    return page(request, "message.html", code=code, title="Not found", text="There is no such page.")


def _explained(request: Request, error: Exception) -> Response:
    """An error of the job's own tree: it says what is wrong and what to do."""
    if not isinstance(error, RecommenderError):
        return _unexpected(request, error)
    log.warning("%s", error)
    code = 404 if isinstance(error, NotPublished) else 503 if isinstance(error, TransientError) else 500
    name = type(error).__name__
    return page(request, "error.html", code=code, name=name, cause=error.cause, action=error.action)


def _unexpected(request: Request, error: Exception) -> Response:
    """The server logs the error with its trace after this."""
    text = f"{type(error).__name__}. The log of Airflow's API server says more. The website's lists are not affected."
    return page(request, "message.html", code=500, title="This page has failed", text=text)
