"""How pages are put together: templates that escape whatever they show, times in the job's zone, strict headers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse

from recommendations.access import airflow_root

HERE = Path(__file__).parent
_SHARED = "base-uri 'none'; frame-ancestors 'self'"
#: Of our own pages: nothing from outside, no style or script in the page itself.
PAGE_POLICY = f"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; {_SHARED}"
#: Of a report, which is one file that carries its styles and pictures: it runs nothing and sends nothing.
REPORT_POLICY = (
    f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; form-action 'none'; {_SHARED}"
)


def page(request: Request, template: str, *, code: int = 200, **shown: Any) -> HTMLResponse:
    """One page.

    Args:
        request: Says at which path Airflow is served.
        template: Name of a file in `templates`.
        code: Status of the response.
        shown: What the template needs.
    """
    html = (
        _environment()
        .get_template(template)
        .render(base=request.scope["root_path"], airflow=airflow_root(request), **shown)
    )
    return HTMLResponse(html, code, headers=headers(PAGE_POLICY))


def headers(policy: str) -> dict[str, str]:
    """Headers of everything that is shown to somebody signed in."""
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-store",
    }


def local(moment: datetime, timezone: str) -> str:
    """A moment on the clocks of the job's zone."""
    return f"{moment.astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M}"


def distance(moment: datetime, now: datetime | None = None) -> str:
    """How far a moment lies from now, in words: `3 hours ago`, `in 2 days`."""
    apart = (now or datetime.now(UTC)) - moment
    size = abs(apart)
    if size < timedelta(minutes=1):
        return "just now"
    steps = ((timedelta(days=2), "day"), (timedelta(hours=2), "hour"), (timedelta(0), "minute"))
    unit = next(name for least, name in steps if size >= least)
    count = int(size / timedelta(**{f"{unit}s": 1}))
    words = f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{words} ago" if apart > timedelta(0) else f"in {words}"


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"local": local, "distance": distance}
    return environment
