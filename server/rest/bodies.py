"""Reads request bodies within limits, compressed ones too: a small gzip must not become a large surprise."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from starlette.requests import ClientDisconnect, Request

from accelserve.server.config import RestConfig
from accelserve.server.errors import BodyTooLargeError, InvalidRequestError, RequestCancelledError

_CHUNK_BYTES = 1 << 20
# zlib's number for each format: gzip, and what HTTP calls deflate, which is zlib's own.
_GZIP_MAGIC = b"\x1f\x8b"
_WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


async def read_body(request: Request, limits: RestConfig) -> bytes:
    """The decompressed body.

    Raises:
        BodyTooLargeError: it is, or announces to be; nothing of the latter is read, nor asked for.
        InvalidRequestError: it compresses too well, or is broken.
        RequestCancelledError: the caller left before it was all sent.
    """
    announced = request.headers.get("content-length", "0")  # digits only: the HTTP parser saw to that
    if int(announced) > limits.max_body_bytes:
        raise BodyTooLargeError(limits.max_body_bytes)
    body = await _received(request, limits)
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding in ("identity", ""):
        return body
    if encoding in _WINDOWS:
        return decompress(body, encoding, limits)
    known = ", ".join(_WINDOWS)
    raise InvalidRequestError(f"content-encoding '{encoding}' is not supported; send {known}, or none")


async def _received(request: Request, limits: RestConfig) -> bytes:
    parts: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limits.max_body_bytes:
                raise BodyTooLargeError(limits.max_body_bytes)
            parts.append(chunk)
    except ClientDisconnect as error:
        raise RequestCancelledError(f"the caller left after {size} bytes of its request's body") from error
    return b"".join(parts)


def decompress(body: bytes, encoding: str, limits: RestConfig) -> bytes:
    """Decompress step by step, and stop as soon as a limit is passed; InvalidRequestError as for ``read_body``.

    A gzip body may have several members, one after the other (RFC 1952, section 2.2).
    """
    allowed = min(limits.max_body_bytes, len(body) * limits.max_gzip_ratio)
    parts: list[bytes] = []
    size, pending = 0, body
    while pending:
        decompressor = zlib.decompressobj(_WINDOWS[encoding])
        for part in _parts(decompressor, pending, encoding):
            size += len(part)
            if size > allowed:
                raise InvalidRequestError(
                    f"the {encoding} body of {len(body)} bytes holds more than {allowed} bytes; send it uncompressed"
                )
            parts.append(part)
        behind = decompressor.unused_data
        pending = behind if behind.startswith(_GZIP_MAGIC) and encoding == "gzip" else b""
    return b"".join(parts)


def _parts(decompressor: zlib._Decompress, pending: bytes, encoding: str) -> Iterator[bytes]:
    """What one compressed stream holds; InvalidRequestError if it is broken or does not end."""
    try:
        while pending and not decompressor.eof:
            yield decompressor.decompress(pending, _CHUNK_BYTES)
            pending = decompressor.unconsumed_tail
    except zlib.error as error:
        raise InvalidRequestError(f"the {encoding} body is broken: {error}") from error
    if not decompressor.eof:
        raise InvalidRequestError(f"the {encoding} body is cut short")
