"""Reads request bodies within limits, compressed ones too: a small gzip must not become a large surprise."""

from __future__ import annotations

import zlib

from starlette.requests import Request

from accelserve.server.config import RestConfig
from accelserve.server.errors import InvalidRequestError

_CHUNK_BYTES = 1 << 20
# zlib's number for each format: gzip, and what HTTP calls deflate, which is zlib's own.
_WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


async def read_body(request: Request, limits: RestConfig) -> bytes:
    """The decompressed body; InvalidRequestError if it is too large, compresses too well, or is broken."""
    parts: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limits.max_body_bytes:
            raise InvalidRequestError(
                f"the body is larger than {limits.max_body_bytes} bytes; send fewer images"
            )
        parts.append(chunk)
    body = b"".join(parts)
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding in ("identity", ""):
        return body
    if encoding in _WINDOWS:
        return decompress(body, encoding, limits)
    known = ", ".join(_WINDOWS)
    raise InvalidRequestError(f"content-encoding '{encoding}' is not supported; send {known}, or none")


def decompress(body: bytes, encoding: str, limits: RestConfig) -> bytes:
    """Decompress step by step, and stop as soon as a limit is passed; InvalidRequestError as for ``read_body``."""
    allowed = min(limits.max_body_bytes, len(body) * limits.max_gzip_ratio)
    decompressor = zlib.decompressobj(_WINDOWS[encoding])
    parts: list[bytes] = []
    size, pending = 0, body
    try:
        while pending and not decompressor.eof:
            part = decompressor.decompress(pending, _CHUNK_BYTES)
            pending = decompressor.unconsumed_tail
            size += len(part)
            if size > allowed:
                raise InvalidRequestError(
                    f"the {encoding} body of {len(body)} bytes holds more than {allowed} bytes; send it uncompressed"
                )
            parts.append(part)
    except zlib.error as error:
        raise InvalidRequestError(f"the {encoding} body is broken: {error}") from error
    if not decompressor.eof:
        raise InvalidRequestError(f"the {encoding} body is cut short")
    return b"".join(parts)
