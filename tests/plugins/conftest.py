"""The plugin's app below a real Airflow auth manager, in this process; Airflow's own database is a file of SQLite."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.folders import made_for_this_process

# Airflow writes a configuration file into its home when it is imported: not into the developer's.
if "airflow" not in sys.modules:
    os.environ["AIRFLOW_HOME"] = made_for_this_process("airflow-home-")
PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
sys.path.append(str(PLUGINS))  # as Airflow does with its plugins folder

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports are behind some of its libraries
    import airflow.api_fastapi.app

import httpx  # noqa: E402 - Airflow's home has to be set first
import uvicorn  # noqa: E402 - as above
from fastapi import FastAPI  # noqa: E402 - as above

from recommender_job.reporting.nights import Night, record  # noqa: E402 - as above
from recommender_job.storage.database import Database, plain_url  # noqa: E402 - as above
from tests.publishing.by_hand import publish  # noqa: E402 - as above

USERS = {"ada": "admin", "olga": "op", "uma": "user", "vera": "viewer"}
NOW = datetime.now(UTC)
YESTERDAY = NOW - timedelta(days=1)

SignIn = Callable[[str], httpx.Client]


@pytest.fixture(scope="session")
def airflow_app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """An app that serves the plugin as the API server does: same auth manager, same middlewares."""
    from airflow import settings
    from airflow.api_fastapi.core_api.app import init_middlewares
    from airflow.models import import_all_models
    from airflow.models.base import Base
    from recommendations_plugin import PREFIX, RecommendationsPlugin

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "x" * 64)
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", ",".join(f"{k}:{v}" for k, v in USERS.items()))
        passwords = tmp_path_factory.mktemp("passwords") / "passwords.json"
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE", str(passwords))
        app = FastAPI()
        airflow.api_fastapi.app.init_auth_manager(app)
        init_middlewares(app)
    import_all_models()
    Base.metadata.create_all(settings.engine)
    (plugin,) = RecommendationsPlugin().fastapi_apps
    app.mount(PREFIX, plugin["app"])
    return app


@contextlib.contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Serves an app in a thread; its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield "http://{}:{}".format(*listener.getsockname())
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture(scope="session")
def airflow_url(airflow_app: FastAPI) -> Iterator[str]:
    """Where the app is served: at the root, and at /tools/airflow as behind a proxy."""
    outer = FastAPI()
    outer.mount("/tools/airflow", airflow_app)
    outer.mount("/", airflow_app)
    with served(outer) as url:
        yield url


@pytest.fixture
def sign_in(airflow_url: str, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[SignIn]:
    """A browser of one of `USERS`, with the cookie that Airflow's login sets; an empty name: nobody."""
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "x" * 64)
    monkeypatch.setenv("AIRFLOW__API__SECRET_KEY", "y" * 64)
    monkeypatch.setenv("RECOMMENDER_DATABASE_URL", plain_url(database.url))
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    with contextlib.ExitStack() as stack:

        def make(name: str) -> httpx.Client:
            client = stack.enter_context(httpx.Client(base_url=airflow_url))
            if name:
                user = SimpleAuthManagerUser(username=name, role=USERS[name])
                client.cookies.set("_token", airflow.api_fastapi.app.get_auth_manager().generate_jwt(user))
            return client

        yield make


@pytest.fixture
def two_nights(database: Database) -> tuple[int, int]:
    """Two publications, of which the second is live, and four nights; the lists of user 42 differ."""
    older = publish(database, {42: (1, 2)}, run_id="night-a", data_through=YESTERDAY - timedelta(days=1))
    newer = publish(database, {42: (3, 4), 43: (1, 5)}, run_id="night-b", data_through=YESTERDAY, name="Café <b>")
    report = "/runs/x/report/report.html"
    for night in (
        Night("night-a", YESTERDAY - timedelta(days=1), "published", (), 0.61, 1.0, older, report),
        Night("night-b", YESTERDAY, "published", (), 0.59, 1.0, newer, report),
        Night("night-c", NOW, "blocked", ("RMSE 1.2 lies above the bound <1.0>",), 1.2, 1.0, None, report),
        Night("night-d", NOW + timedelta(hours=1), "failed", ("DatabaseAway: gone",)),
    ):
        record(database, night)
    return older, newer


@pytest.fixture
def airflow_run(airflow_app: FastAPI) -> Iterator[str]:
    """A run of the DAG in Airflow's own database, of the id `night-b`; another DAG has a run `night-a`."""
    import sqlalchemy as sa
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    with create_session() as session:
        for dag, run in (("nightly_recommendations", "night-b"), ("another", "night-a")):
            session.add(DagRun(dag_id=dag, run_id=run, run_type="manual", run_after=NOW))
    yield "night-b"
    with create_session() as session:
        session.execute(sa.delete(DagRun))
