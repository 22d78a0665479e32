"""A digest inside a zip archive, since the archive's own checksums do not cover its directory."""

from __future__ import annotations

import hashlib
import io
import zipfile

_DIGEST_LENGTH = 64


def seal(archive: bytes) -> bytes:
    """Adds a digest of a zip archive as its comment, which readers of zip pass over."""
    buffer = io.BytesIO(archive)
    with zipfile.ZipFile(buffer, "a") as file:
        file.comment = b"0" * _DIGEST_LENGTH
    body = buffer.getvalue()[:-_DIGEST_LENGTH]
    return body + hashlib.sha256(body).hexdigest().encode()


def check_seal(archive: bytes) -> None:
    """Raises ValueError when the archive is not what `seal` returned."""
    body, digest = archive[:-_DIGEST_LENGTH], archive[-_DIGEST_LENGTH:]
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise ValueError("its digest does not match")
