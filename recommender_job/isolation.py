"""Work in a process of its own: what ends it, a crash in native code too, comes back as an error.

A worker that dies itself can tell nobody: no error text, no notice. So the worker waits, and the work, with the native
libraries that it loads, is done by a child that the worker outlives.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from recommender_job.errors import ProcessDied, RecommenderError, TookTooLong, in_short

T = TypeVar("T")

#: Who handles one of these in Python returns to the instruction that crashed, and spins for ever.
CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT)
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux


class ChildTraceback(Exception):
    """The traceback of an unexpected error in the child, as text."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def in_child(work: Callable[..., T], *arguments: Any) -> T:
    """Calls a function in a forked process and waits for it.

    Args:
        work: The function; named in errors. What it returns must survive pickling. If it has a method `note`, that is
            called with the error and the arguments when the child cannot tell itself how it ended.
        *arguments: Its positional arguments.

    Returns:
        What the function returns.

    Raises:
        ProcessDied: The process ended without telling: a native crash, or it was killed.
        RecommenderError: The function's own; without a traceback, its text says what happened.
        Exception: Any other of the function's; its traceback, as text, is its cause.
    """
    for number in CRASHES:
        signal.signal(number, signal.SIG_DFL)
    reader, writer = os.pipe()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()  # or the child would write what is buffered once more
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _serve(work, arguments, writer, parent)
    os.close(writer)
    try:
        with os.fdopen(reader, "rb") as pipe:
            told = pipe.read()
    except BaseException as ended:  # a time limit, or somebody who gave up: the work must not go on without its worker
        os.kill(child, signal.SIGKILL)
        _note(work, arguments, _broken_off(getattr(work, "__name__", "the work"), ended))
        raise
    finally:
        _, status = os.waitpid(child, 0)
    if not told or os.waitstatus_to_exitcode(status):
        died = _died(getattr(work, "__name__", "the work"), os.waitstatus_to_exitcode(status))
        _note(work, arguments, died)
        raise died
    answer: tuple[T, BaseException | None, str] = pickle.loads(told)
    result, error, text = answer
    if error is None:
        return result
    if isinstance(error, RecommenderError):
        raise error
    raise error from ChildTraceback(text)


def _serve(work: Callable[..., Any], arguments: tuple[Any, ...], writer: int, parent: int) -> NoReturn:
    code = 0
    try:
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:  # it died before that was agreed
            os._exit(1)
        faulthandler.enable(2)  # a crash leaves the Python lines that led to it
        told = _told(work, arguments)
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(told)
    except BaseException:
        code = 1
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)  # without the cleaning up that belongs to the worker


def _told(work: Callable[..., Any], arguments: tuple[Any, ...]) -> bytes:
    try:
        return pickle.dumps((work(*arguments), None, ""))
    except BaseException as error:
        text = "".join(traceback.format_exception(error))
        try:
            told = pickle.dumps((None, error, text))
            pickle.loads(told)  # some can be written but not read
        except Exception:  # whatever the error's own pickling raises
            plain = RuntimeError(f"{type(error).__name__}: {error}")
            told = pickle.dumps((None, plain, text))
        return told


def _died(what: str, code: int) -> ProcessDied:
    if code >= 0:
        cause = f"The process of `{what}` ended with exit code {code} and told nothing."
    elif code == -signal.SIGKILL:
        cause = f"The process of `{what}` was killed (SIGKILL): most likely the machine ran out of memory."
    elif -code in CRASHES:
        cause = f"The process of `{what}` crashed in native code ({signal.Signals(-code).name})."
    else:
        cause = f"The process of `{what}` was ended by {signal.Signals(-code).name}."
    return ProcessDied(
        cause,
        action="Look at the lines of the log above, the machine's memory and `dmesg`, then clear the task.",
    )


def _broken_off(what: str, error: BaseException) -> RecommenderError:
    told = f"{type(error).__name__}: {in_short(error)}".removesuffix(": ")
    # By its name: Airflow's own class is not to be had here.
    if "timeout" in type(error).__name__.lower():
        return TookTooLong(
            f"`{what}` ran into the time limit of its task ({told}).",
            action="Look at what it waited for or what has grown, then clear the task.",
        )
    return ProcessDied(
        f"The process of `{what}` was ended, as its worker was ({told}).",
        action="Clear the task, unless somebody ended it on purpose.",
    )


def _note(work: Callable[..., Any], arguments: tuple[Any, ...], error: RecommenderError) -> None:
    note = getattr(work, "note", None)
    if note is not None:
        note(error, *arguments)
