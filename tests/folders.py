"""A folder that goes with the process; what pytest's `tmp_path` is too late or too short-lived for."""

from __future__ import annotations

import atexit
import shutil
import tempfile


def made_for_this_process(prefix: str) -> str:
    """Its path; it is removed when the process ends in order."""
    folder = tempfile.mkdtemp(prefix=prefix)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
