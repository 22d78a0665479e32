"""What a disk or a store raises, told as errors of the tree: which next step helps depends on where the files lie."""

from __future__ import annotations

import contextlib
import errno
import sys
import zipfile
import zlib
from collections.abc import Iterator

from recommender_job.errors import ArtifactBroken, StorageFailed

_REMOTE = "Restore access to the store: its address, its bucket, its keys and their rights. Then retry."
_LOCAL = "Free the disk or restore access to the store, then retry."
#: Of damage that pyarrow finds; what a system or a store refuses has another class or a number.
_DAMAGE = (None, errno.EINVAL)


@contextlib.contextmanager
def reading(what: str) -> Iterator[None]:
    """Turns what reading a missing or damaged file raises into `ArtifactBroken`, and what keeps it away into another.

    Raises:
        ArtifactBroken: The file is not there, or is not what was written.
        StorageFailed: The disk or the store cannot be read now.
    """
    action = "Clear the stage that writes it and those after it."
    try:
        yield
    except FileNotFoundError as error:
        if bucket_is_missing(error):
            raise storage_failed(what, error) from error
        raise ArtifactBroken(f"{what} is not there.", action=action) from error
    except store_errors() as error:
        raise storage_failed(what, error) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, TypeError, KeyError, RuntimeError, OSError) as error:
        # pyarrow's checksums fail without a number; a damaged archive sends the reader to impossible places.
        if isinstance(error, OSError) and not (type(error) is OSError and error.errno in _DAMAGE):
            raise storage_failed(what, error) from error
        raise ArtifactBroken(f"{what} is damaged: {' '.join(str(error).split())}.", action=action) from error


@contextlib.contextmanager
def writing(what: str) -> Iterator[None]:
    """Turns trouble of the disk or the store while writing into `StorageFailed`."""
    try:
        yield
    except OSError as error:
        raise storage_failed(what, error) from error
    except store_errors() as error:
        raise storage_failed(what, error) from error


def store_errors() -> tuple[type[Exception], ...]:
    """What clients of object stores raise beside OSError: the store is away, or no keys were found.

    They are known once a client has been loaded, and only then can they be raised.
    """
    named = (("botocore.exceptions", "BotoCoreError"), ("aiohttp", "ClientError"))
    return tuple(getattr(sys.modules[module], name) for module, name in named if module in sys.modules)


def bucket_is_missing(error: FileNotFoundError) -> bool:
    """Whether a store says that it has no such bucket, rather than no such file."""
    told = getattr(error.__cause__, "response", None)
    return isinstance(told, dict) and told.get("Error", {}).get("Code") == "NoSuchBucket"


def storage_failed(what: str, error: Exception) -> StorageFailed:
    """The error for a path or URL that could not be read or written."""
    told = " ".join(str(getattr(error, "strerror", None) or error or type(error).__name__).split()).rstrip(".")
    return StorageFailed(f"{what}: {told}.", action=_REMOTE if "://" in what else _LOCAL)
