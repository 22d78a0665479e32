"""Whether a URL answers: the health check of services that have a page for it. Exit code 0: yes."""

from __future__ import annotations

import sys
import urllib.request

#: Of one request; Airflow's own health page asks its database.
SECONDS = 10


def main(url: str) -> None:
    """Asks once; what goes wrong ends the program with a traceback, which the health check's log shows."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the service is on this host
    with direct.open(url, timeout=SECONDS):
        pass


if __name__ == "__main__":
    main(*sys.argv[1:])
