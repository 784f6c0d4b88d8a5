"""Copies a stream and checks what went through."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from accelserve.models.errors import CorruptVersionError
from accelserve.models.repository import FileRecord

_CHUNK_BYTES = 1 << 20


def check_files(files: Iterable[str], where: str) -> None:
    """CorruptVersionError if a file's path leads out of the version's folder: a manifest from elsewhere may say anything."""
    for file in files:
        parts = file.split("/")
        if "\0" in file or not all(parts) or {".", ".."} & set(parts):
            raise CorruptVersionError(
                Path(where), f"its manifest names {file!r}, which is outside the version's folder"
            )


def copy_checked(
    source: BinaryIO, target: BinaryIO, record: FileRecord | None, where: str, advanced: Callable[[int], None]
) -> None:
    """Copy everything.

    Args:
        source: to read.
        target: to write.
        record: what must have gone through; None is anything.
        where: the file, for messages.
        advanced: called with the number of bytes of each chunk.

    Raises:
        CorruptVersionError: it was something else.
    """
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(_CHUNK_BYTES):
        target.write(chunk)
        digest.update(chunk)
        size += len(chunk)
        advanced(len(chunk))
    if record is not None and (size, digest.hexdigest()) != (record.bytes, record.sha256):
        found = f"it has {size} bytes with SHA-256 {digest.hexdigest()[:12]}..."
        raise CorruptVersionError(
            Path(where), f"{found}, its manifest says {record.bytes} with {record.sha256[:12]}..."
        )
