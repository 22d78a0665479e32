"""Puts the page "Recommendations" into Airflow.

Every Airflow process reads this file, tasks included, so it imports nothing: the page is made when the API server asks.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from fastapi import FastAPI

NAME = "Recommendations"
PREFIX = "/recommendations"

log = logging.getLogger(__name__)

_apps: list[FastAPI] = []


class RecommendationsPlugin(AirflowPlugin):
    """A FastAPI app on the API server, and an entry in the navigation that opens it."""

    name = "recommendations"

    @property
    def fastapi_apps(self) -> list[dict[str, Any]]:
        """The one app, made once; none where it cannot be made: without this page Airflow is still of use."""
        try:
            if not _apps:
                from recommendations.app import create_app

                _apps.append(create_app())
        except Exception:  # the API server asks while it starts, and would end
            log.exception(
                "The page %s is left out: it cannot be made. Next: install the package recommender_job, in the version"
                " of these plugins, where the API server runs, and start that again.",
                NAME,
            )
            return []
        return [{"app": _apps[0], "url_prefix": PREFIX, "name": NAME}]

    @property
    def external_views(self) -> list[dict[str, Any]]:
        """The entry, below the path at which Airflow itself is served."""
        from urllib.parse import urlsplit

        from airflow.configuration import conf

        root = urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")
        return [
            {
                "name": NAME,
                "href": f"{root}{PREFIX}/",
                "url_route": "recommendations",
                "destination": "nav",
                "nav_top_level": True,
                "icon": f"{root}{PREFIX}/static/icon.svg",
                "icon_dark_mode": f"{root}{PREFIX}/static/icon-dark.svg",
            }
        ]
