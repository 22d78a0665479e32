"""The profile `workers` of `docker-compose.yml`: Celery's workers, their queue, and what they ask of the settings."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from recommender_job.errors import ConfigurationError
from scripts.stack.compose import LOCALHOST, Service, services

REDIS, WORKER = "redis", "airflow-worker"
CELERY = "CeleryExecutor"
#: Between the log ports of two workers on one machine; Airflow's other servers have the ports right beside them.
PORT_STEP = 10


def wanted(values: Mapping[str, str]) -> bool:
    """Whether workers do the tasks, rather than the scheduler's own processes.

    Args:
        values: What `.env` and the environment say.
    """
    return "workers" in (values.get("COMPOSE_PROFILES") or "").split(",")


def check(values: Mapping[str, str], *, elsewhere: bool = False) -> None:
    """Refuses settings under which workers would wait for ever, or would not find what others have written.

    Args:
        values: What `.env` and the environment say.
        elsewhere: Whether only a worker is to be started here, beside the main machine.

    Raises:
        ConfigurationError: Names the variable.
    """
    if elsewhere and not (values.get("MAIN_HOST") and values.get("WORKER_HOST") and wanted(values)):
        raise ConfigurationError(
            "A worker beside the main machine needs COMPOSE_PROFILES, MAIN_HOST and WORKER_HOST.",
            action="Copy the main machine's .env, and add lines MAIN_HOST=… and WORKER_HOST=….",
        )
    if values.get("MAIN_HOST") and not elsewhere:
        raise ConfigurationError(
            f"MAIN_HOST says that the main machine is {values['MAIN_HOST']}, so that not all services belong here.",
            action="Use `make up-worker`, with Docker; or remove MAIN_HOST from .env.",
        )
    executor = values.get("AIRFLOW_EXECUTOR") or "LocalExecutor"
    if not wanted(values):
        if executor == CELERY:
            raise ConfigurationError(
                "AIRFLOW_EXECUTOR is CeleryExecutor, but no worker would run.",
                action="Add a line COMPOSE_PROFILES=workers to .env.",
            )
        return
    if executor != CELERY:
        raise ConfigurationError(
            f"COMPOSE_PROFILES asks for workers, but AIRFLOW_EXECUTOR is {executor}: they would get no task.",
            action="Add a line AIRFLOW_EXECUTOR=CeleryExecutor to .env.",
        )
    if not values.get("REDIS_PASSWORD"):
        raise ConfigurationError(
            "Workers need a value for REDIS_PASSWORD.",
            action="Add a line REDIS_PASSWORD=… to .env; for a new value: `python -m scripts.stack secret`.",
        )
    if "://" not in (values.get("RUNS_URL") or ""):
        raise ConfigurationError(
            f"RUNS_URL is {values.get('RUNS_URL') or 'not set'}: no folder that all workers reach.",
            action="Add a line such as RUNS_URL=s3://bucket/runs to .env, and the store's keys to settings.env.",
        )


def native(values: Mapping[str, str], home: Path) -> dict[str, Service]:
    """The services as they run on this machine: without the profile's, or with so many workers as WORKERS says.

    Each worker has a folder of its own for everything, below `workers/` of the stack's. On one port only can Airflow's
    pages ask for logs: that of the first.

    Raises:
        ConfigurationError: See `check`; or there is no `redis-server`.
    """
    check(values)
    described = services(values, home)
    if not wanted(values):
        return {name: service for name, service in described.items() if name not in (REDIS, WORKER)}
    if shutil.which("redis-server") is None:
        raise ConfigurationError(
            "There is no `redis-server`, which workers need.", action="Run `scripts/install-tools.sh redis-server`."
        )
    found: dict[str, Service] = {}
    for name, service in described.items():
        if name == REDIS:
            service = replace(service, environment={**service.environment, "REDIS_BIND": LOCALHOST})
        if name == WORKER:
            found |= _workers(values, home)
        else:
            # The port of a worker's logs; the scheduler has none of its own where workers do the tasks.
            ports = {port: by for port, by in service.ports.items() if by != "WORKER_LOG_PORT"}
            found[name] = replace(service, ports=ports)
    return found


def _workers(values: Mapping[str, str], home: Path) -> dict[str, Service]:
    number = values.get("WORKERS") or "1"
    if not (number.isdecimal() and 1 <= int(number) <= 64):
        raise ConfigurationError(f"WORKERS is {number!r}, not a number from 1 to 64.", action="Correct it in .env.")
    first = int(values.get("WORKER_LOG_PORT") or 8793)
    found = {}
    for place in range(int(number)):
        own = {
            **values,
            "WORKER_NAME": f"worker-{place + 1}",
            "WORKER_LOG_PORT": str(first + place * PORT_STEP),
        }
        service = services(own, home / "workers" / str(place + 1))[WORKER]
        found[f"{WORKER}-{place + 1}"] = replace(service, name=f"{WORKER}-{place + 1}")
    return found
