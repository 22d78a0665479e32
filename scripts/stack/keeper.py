"""Keeps one command running, as `restart: unless-stopped` does: a program of its own, `keeper.py PID_FILE COMMAND…`.

It goes on in the background, in a session of its own with the command, and ends with it when it is asked to end.
Whatever the command has left is killed before it is started again, as when a container ends.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

#: Before the command is started again: doubled each time, and from the first again once it has run for long.
FIRST_DELAY, LONGEST_DELAY, LONG = 0.5, 30.0, 10.0


def main(command: list[str]) -> int:
    """Runs the command until SIGTERM; returns its exit code."""
    running: subprocess.Popen[bytes] | None = None
    asked = False

    def end(*_: object) -> None:
        nonlocal asked
        asked = True
        if running is not None:
            running.terminate()

    signal.signal(signal.SIGTERM, end)
    delay, code = FIRST_DELAY, 0
    while not asked:
        started = time.monotonic()
        running = subprocess.Popen(command)
        code = running.wait()
        if asked:
            break
        kill_the_rest()
        delay = FIRST_DELAY if time.monotonic() - started > LONG else min(delay * 2, LONGEST_DELAY)
        print(f"{command} ended with exit code {code}; it starts again in {delay:.0f} s", flush=True)
        wait_until = time.monotonic() + delay
        while not asked and time.monotonic() < wait_until:
            time.sleep(0.1)
    return code


def go_apart(pid_file: Path) -> None:
    """Goes on as a process that nobody waits for; the caller's is over once the file says which one that is."""
    over, told = os.pipe()
    if os.fork():
        os.close(told)
        os.read(over, 1)  # ends when the other has closed it
        os._exit(0)
    os.close(over)
    os.setsid()
    pid_file.write_text(json.dumps({"pid": os.getpid()}))
    os.close(told)


def kill_the_rest() -> None:
    """Kills everything else in this session, which is nobody else's."""
    mine = os.getsid(0)
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and os.getsid(process.pid) == mine:
                process.kill()
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue  # it has ended by itself


if __name__ == "__main__":
    go_apart(Path(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
