"""Named arrays in an npz file with a digest, since a zip archive's own checksums do not cover its directory."""

from __future__ import annotations

import hashlib
import os
import zipfile
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

_DIGEST_LENGTH = 64
_PART = 1 << 20


def write_arrays(file: IO[bytes], arrays: dict[str, NDArray[Any]]) -> None:
    """Writes arrays, without pickle, into an empty file that can be read, too; no array is copied whole."""
    np.savez(file, allow_pickle=False, **arrays)
    seal(file)


def seal(file: IO[bytes]) -> None:
    """Adds the digest to a zip archive, as its comment, which readers of zip pass over."""
    with zipfile.ZipFile(file, "a") as archive:
        archive.comment = b"0" * _DIGEST_LENGTH
    digest = _digest(file)
    file.seek(-_DIGEST_LENGTH, os.SEEK_END)
    file.write(digest)


def read_arrays(file: IO[bytes]) -> dict[str, NDArray[Any]]:
    """Reads what `write_arrays` wrote.

    Raises:
        ValueError: The file is not what was written.
    """
    digest = _digest(file)
    file.seek(-_DIGEST_LENGTH, os.SEEK_END)
    if file.read() != digest:
        raise ValueError("its digest does not match")
    file.seek(0)
    with np.load(file, allow_pickle=False) as loaded:
        return {key: loaded[key] for key in loaded.files}


def _digest(file: IO[bytes]) -> bytes:
    """Of everything but the place of the digest itself, in hexadecimal digits."""
    left = file.seek(0, os.SEEK_END) - _DIGEST_LENGTH
    if left < 0:
        raise ValueError("it is too short")
    file.seek(0)
    found = hashlib.sha256()
    while left:
        part = file.read(min(left, _PART))
        if not part:
            raise ValueError("it ends early")
        found.update(part)
        left -= len(part)
    return found.hexdigest().encode()
