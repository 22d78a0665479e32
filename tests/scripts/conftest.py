"""A stack in a folder of the test, on ports that nobody else uses."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import ExitStack

import pytest

PORTS = (
    "AIRFLOW_PORT",
    "POSTGRES_PORT",
    "SCHEDULER_HEALTH_PORT",
    "TRIGGERER_LOG_PORT",
    "WORKER_LOG_PORT",
    "REDIS_PORT",
)


@pytest.fixture(scope="session")
def free_ports() -> Callable[[], dict[str, str]]:
    """Ports for one stack, each under the variable that sets it."""

    def find() -> dict[str, str]:
        with ExitStack() as held:  # all at once, or the same one could be found twice
            found = {}
            for name in PORTS:
                probe = held.enter_context(socket.socket())
                probe.bind(("127.0.0.1", 0))
                found[name] = str(probe.getsockname()[1])
        return found

    return find
