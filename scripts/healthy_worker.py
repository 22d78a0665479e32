"""Whether the Celery worker of this host takes tasks: its health check. Exit code 0: yes."""

from __future__ import annotations

import os
import socket
import sys

from airflow.providers.celery.executors.celery_executor import app

#: Until it must have answered.
SECONDS = 10


def main() -> None:
    """Asks the worker by the way that tasks take, through Redis."""
    name = f"{os.environ['WORKER_NAME']}@{socket.gethostname()}"
    if not app.control.ping(destination=[name], timeout=SECONDS):
        sys.exit(f"the worker {name} does not answer")


if __name__ == "__main__":
    main()
