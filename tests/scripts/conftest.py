"""A stack in a folder of the test, on ports that nobody else uses."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from scripts.stack.stack import Stack

PORTS = ("AIRFLOW_PORT", "POSTGRES_PORT", "SCHEDULER_HEALTH_PORT", "TRIGGERER_LOG_PORT", "WORKER_LOG_PORT")


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


@pytest.fixture
def stack(tmp_path: Path, free_ports: Callable[[], dict[str, str]]) -> Stack:
    """A stack that has not been started."""
    return Stack(tmp_path / "stack", tmp_path / "env", {**free_ports(), "SETTINGS_FOLDER": str(tmp_path)})
