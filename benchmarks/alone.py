"""Work in a process of its own, so that its memory and its imports are nobody else's."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Seconds between two looks at the memory.
_OFTEN = 0.02


@dataclass(frozen=True)
class Cost:
    """Of a piece of work.

    Args:
        seconds: From the call to the return.
        own: Most anonymous memory in MiB: what the process cannot give back.
        held: Most memory in MiB, with the pages of files that it maps, which the system takes back as it likes.
        result: What it returned.
    """

    seconds: float
    own: int
    held: int
    result: Any


def alone(work: Callable[..., Any], *arguments: Any) -> Cost:
    """Calls a function in a process of its own and says what that cost, without the start of the process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as process:
        return process.submit(_measured, work, *arguments).result()


def _measured(work: Callable[..., Any], *arguments: Any) -> Cost:
    own, ended = 0, threading.Event()

    def watch() -> None:
        nonlocal own
        while not ended.wait(_OFTEN):
            own = max(own, _mebibytes("RssAnon"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.perf_counter()
    try:
        result = work(*arguments)
        seconds = time.perf_counter() - started
    finally:
        ended.set()
        watcher.join()
    return Cost(seconds, max(own, _mebibytes("RssAnon")), _mebibytes("VmHWM"), result)


def _mebibytes(name: str) -> int:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text("ascii").splitlines())
    return int(lines[name].split()[0]) // 1024
