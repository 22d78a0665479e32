"""A website of one page: a visitor's row, best first from left to right, read as docs/table-contract.md says.

WEBSITE_DATABASE_URL names the database. Its account must be granted `website_reader`; only that role's rights are used.
"""

from __future__ import annotations

import logging
import os
import re
from functools import cache
from typing import Any

import jinja2
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.responses import HTMLResponse

# The contract's own statements. The first answers everybody: whoever has no list of their own gets the default row.
LIST = sa.text("""
    with own as materialized (
        select rank, experience_id, experience_name, predicted_rating, source, reason, publication_id
        from recommender.recommendations
        where user_id = :user_id
    )

    select rank, experience_id, experience_name, predicted_rating, source, reason, publication_id
    from own
    union all
    select rank, experience_id, experience_name, predicted_rating, source, reason, publication_id
    from recommender.default_recommendations
    where not exists (select 1 from own)
    order by rank
""")
FRESH = sa.text("select is_stale, expires_at, data_through from recommender.recommendation_status")

PAGE = jinja2.Environment(autoescape=True).from_string("""<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Experiences for you</title>
<style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 70rem; margin: auto; padding: 1rem }
ol { display: flex; gap: .75rem; overflow-x: auto; padding: 0 0 1rem; list-style: none }
li { flex: 0 0 10rem; border: 1px solid #8888; border-radius: 8px; padding: .75rem; overflow-wrap: anywhere }
small { display: block; opacity: .75 }
[role=alert] { border-left: 4px solid #d55e00; padding-left: .75rem }
</style>
<h1>Experiences {{ "for you, user " ~ user_id if own else "that many like" }}</h1>
<form>I am user <input name="user" size="8" inputmode="numeric" value="{{ typed }}" aria-label="User">
<button>Show</button></form>
{% if away %}<p role="alert">The recommendations cannot be read right now. Please try again in a moment.</p>
{% elif not rows %}<p role="alert">There are no recommendations yet: no night has been published.</p>
{% else %}
<ol aria-label="Best first">
{% for row in rows %}<li><strong>{{ row.experience_name }}</strong>
<small>★ {{ "%.1f" | format(row.predicted_rating) }}</small><small>{{ row.reason }}</small></li>
{% endfor %}</ol>
{% if fresh.is_stale %}<p role="alert">These recommendations are old: they should have been renewed by
{{ fresh.expires_at.strftime("%Y-%m-%d %H:%M") }} UTC.</p>{% endif %}
<p><small>As of {{ fresh.data_through.strftime("%Y-%m-%d %H:%M") }} UTC;
{{ "your own list" if own else "the same row for everybody without a list of their own" }}.</small></p>
{% endif %}
""")

app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)


@app.get("/", response_class=HTMLResponse)
def row(user: str = "") -> HTMLResponse:
    """The row of a user; of everybody else, also of what is no user id at all, the default row."""
    user_id = user_id_of(user)
    shown: dict[str, Any] = {"typed": user, "user_id": user_id, "away": False, "own": False, "rows": []}
    try:
        # Two statements that belong together see the same publication in one `repeatable read` transaction.
        with engine().connect() as connection:
            rows = connection.execute(LIST, {"user_id": user_id}).mappings().all()
            fresh = connection.execute(FRESH).mappings().first()
    except sa.exc.DBAPIError:
        logging.getLogger(__name__).exception("The recommendations cannot be read")
        return HTMLResponse(PAGE.render(shown | {"away": True}), 503)
    own = bool(rows) and rows[0]["source"] == "model"
    return HTMLResponse(PAGE.render(shown | {"rows": rows, "fresh": fresh, "own": own}))


def user_id_of(text: str) -> int | None:
    """A bigint; None, which no user has, for anything else."""
    if not re.fullmatch(r"\s*-?[0-9]{1,19}\s*", text):
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None


@cache
def engine() -> sa.Engine:
    """One for the life of the process."""
    url = sa.make_url(os.environ["WEBSITE_DATABASE_URL"])
    return sa.create_engine(
        url.set(drivername="postgresql+psycopg2"),
        isolation_level="REPEATABLE READ",
        pool_pre_ping=True,
        connect_args={"connect_timeout": 5, "options": "-c role=website_reader -c timezone=UTC"},
    )
