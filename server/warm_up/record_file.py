"""TFRecord files: a length, its masked CRC-32C, the record, its masked CRC-32C; all little-endian."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import google_crc32c

from accelserve.server.errors import LoadError

_HEADER = struct.Struct("<QI")
_FOOTER = struct.Struct("<I")
_MASK_DELTA = 0xA282EAD8
_BITS = 0xFFFFFFFF
# A corrupt length must not ask for all memory; protobuf takes no message as large as this.
_LARGEST_BYTES = 2**31


def records(path: Path) -> Iterator[bytes]:
    """The records of a file, in order.

    Raises:
        LoadError: the file is cut short or altered; the sentence ends as TensorFlow Serving's does.
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        offset = 0
        while header := stream.read(_HEADER.size):
            record = _record(path, stream, header, offset)
            yield record
            offset += _HEADER.size + len(record) + _FOOTER.size


def frame(record: bytes) -> bytes:
    """A record as it stands in a file."""
    length = len(record).to_bytes(8, "little")
    return length + _FOOTER.pack(masked_checksum(length)) + record + _FOOTER.pack(masked_checksum(record))


def masked_checksum(data: bytes) -> int:
    """CRC-32C, turned and shifted so that checksums of checksums are none."""
    crc = int(google_crc32c.value(data))
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & _BITS


def _record(path: Path, stream: BinaryIO, header: bytes, offset: int) -> bytes:
    if len(header) < _HEADER.size:
        raise _corrupt(path, offset, "truncated record")
    length, length_checksum = _HEADER.unpack(header)
    if masked_checksum(header[:8]) != length_checksum or length > _LARGEST_BYTES:
        raise _corrupt(path, offset, "corrupted record")
    record = stream.read(length)
    footer = stream.read(_FOOTER.size)
    if len(record) < length or len(footer) < _FOOTER.size:
        raise _corrupt(path, offset, "truncated record")
    if masked_checksum(record) != _FOOTER.unpack(footer)[0]:
        raise _corrupt(path, offset, "corrupted record")
    return record


def _corrupt(path: Path, offset: int, what: str) -> LoadError:
    return LoadError(f"{path}: {what} at {offset}. Please verify your warmup data is in TFRecord format.")
