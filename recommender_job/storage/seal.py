"""Named arrays in an npz file with a digest, since a zip archive's own checksums do not cover its directory.

They are not compressed, and each begins where memory may begin: so they are read where they lie, and a file of any size
takes no memory but what is looked at, which the system takes back as it likes.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
import zipfile
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

#: Bytes that the digest is taken of at once.
PART = 1 << 20
_DIGEST_LENGTH = 64
#: What the place of an array's bytes in the file is a multiple of; also what NumPy pads its headers to.
_ALIGNED = 64
#: Before an archive's member stand 30 bytes, its name, and fields: that of sizes over 4 GiB, and one that only fills.
_LOCAL_HEADER, _SIZES, _FIELD, _FILLING = 30, 20, 4, 0xD935
_LENGTHS = 26


def write_arrays(file: IO[bytes], arrays: dict[str, NDArray[Any]]) -> None:
    """Writes arrays, without pickle, into an empty file that can be read, too; no array is copied whole."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(_member(f"{name}.npy", file.tell()), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)
    seal(file)


def seal(file: IO[bytes]) -> None:
    """Adds the digest to a zip archive, as its comment, which readers of zip pass over."""
    with zipfile.ZipFile(file, "a") as archive:
        archive.comment = b"0" * _DIGEST_LENGTH
    digest = _digest(file)
    file.seek(-_DIGEST_LENGTH, os.SEEK_END)
    file.write(digest)


def read_arrays(file: IO[bytes]) -> dict[str, NDArray[Any]]:
    """The arrays that `write_arrays` wrote into a file of the system: read-only, and lying in the file.

    The file may be closed, replaced or deleted meanwhile, as long as nobody writes into it.

    Raises:
        ValueError: The file is not what was written.
    """
    digest = _digest(file)
    file.seek(-_DIGEST_LENGTH, os.SEEK_END)
    if file.read() != digest:
        raise ValueError("its digest does not match")
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
    mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return {member.filename.removesuffix(".npy"): _array(mapped, member) for member in members}


def _member(name: str, start: int) -> zipfile.ZipInfo:
    """A member whose content begins at a multiple of `_ALIGNED`, where its header begins at `start`."""
    member = zipfile.ZipInfo(name)
    filled = -(start + _LOCAL_HEADER + len(name.encode()) + _FIELD + _SIZES) % _ALIGNED
    member.extra = struct.pack("<HH", _FILLING, filled) + bytes(filled)
    return member


def _array(mapped: mmap.mmap, member: zipfile.ZipInfo) -> NDArray[Any]:
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{member.filename} is compressed")
    mapped.seek(member.header_offset + _LENGTHS)
    lengths = struct.unpack("<HH", mapped.read(4))
    mapped.seek(member.header_offset + _LOCAL_HEADER + sum(lengths))
    if np.lib.format.read_magic(mapped) != (1, 0):
        raise ValueError(f"{member.filename} has a header of another version")
    shape, by_columns, kind = np.lib.format.read_array_header_1_0(mapped)
    if kind.hasobject:
        raise ValueError("Object arrays cannot be loaded when allow_pickle=False")
    array = np.ndarray(shape, kind, mapped, mapped.tell(), order="F" if by_columns else "C")
    # An older version wrote them anywhere. Searched there, each search would copy them whole.
    return array if array.flags.aligned else array.copy()


def _digest(file: IO[bytes]) -> bytes:
    """Of everything but the place of the digest itself, in hexadecimal digits."""
    left = file.seek(0, os.SEEK_END) - _DIGEST_LENGTH
    if left < 0:
        raise ValueError("it is too short")
    file.seek(0)
    found = hashlib.sha256()
    while left:
        part = file.read(min(left, PART))
        if not part:
            raise ValueError("it ends early")
        found.update(part)
        left -= len(part)
    return found.hexdigest().encode()
