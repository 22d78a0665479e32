"""Graphics cards: whether there is one, which ones TensorFlow can use, and what it means when one fails.

Looking for a card loads nothing; TensorFlow is loaded only where one is there to be used.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import structlog

from recommender_job.errors import CardFailed, in_short
from recommender_job.settings import Devices

#: Files that NVIDIA's driver makes, on Linux and in containers that were given a card, and in Linux under Windows.
DRIVER_FILES = (Path("/dev/nvidiactl"), Path("/dev/dxg"))

_log = structlog.get_logger(__name__)


def has_card(driver_files: Sequence[Path] | None = None) -> bool:
    """Whether this process may see a graphics card, by the files of its driver.

    Args:
        driver_files: One of them means a card; None: `DRIVER_FILES`.

    Returns:
        False also where `CUDA_VISIBLE_DEVICES` hides every card: it is empty, or begins with a number that is none.
    """
    shown = os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip()
    if not shown or shown.startswith("-"):
        return False
    return any(file.exists() for file in (DRIVER_FILES if driver_files is None else driver_files))


def usable_cards(devices: Devices) -> list[str]:
    """Names, as TensorFlow calls them, of the cards to work on; empty: the processor does the work.

    Args:
        devices: `auto`: the first card; `all_gpus`: every one; `cpu`: none, and nothing is loaded.
    """
    if devices == "cpu" or not has_card():
        return []
    from recommender_job.ranking.tensorflow import tf

    cards = [card.name for card in tf.config.list_logical_devices("GPU")]
    if not cards:
        _log.warning(
            "this machine has a graphics card that TensorFlow cannot use; the processor does the work",
            next="see Graphics cards in docs/install.md, or set train_devices and score_devices to cpu",
        )
        return []
    used = cards if devices == "all_gpus" else cards[:1]
    _log.info("graphics cards at work", cards=used)
    return used


@contextlib.contextmanager
def failing_as_card(devices: Devices) -> Iterator[None]:
    """Turns what TensorFlow raises when a card is full or broken into an error that says what to do.

    Args:
        devices: What the work is done on. Where that is no card, errors stay what they are.

    Raises:
        CardFailed: A card ran out of memory, or its driver or a library on it failed.
    """
    try:
        yield
    except Exception as error:
        tensorflow = sys.modules.get("tensorflow")  # not loaded, it has raised nothing
        if tensorflow is None or devices == "cpu" or not has_card():
            raise
        errors = tensorflow.errors
        if isinstance(error, errors.ResourceExhaustedError):
            raise CardFailed(
                f"A graphics card ran out of memory ({in_short(error)}).",
                action="Let fewer tasks share the card, or set `train_devices` or `score_devices` to `cpu`, and clear"
                " the task.",
            ) from error
        if isinstance(error, (errors.InternalError, errors.UnknownError, errors.UnavailableError)):
            raise CardFailed(
                f"A graphics card failed ({in_short(error)}).",
                action="Look at `nvidia-smi` and `dmesg` on the worker; set `train_devices` and `score_devices` to"
                " `cpu`, and clear the task.",
            ) from error
        raise
