"""Reads request bodies within limits, compressed ones too: a small gzip must not become a large surprise."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from starlette.requests import ClientDisconnect, Request

from accelserve.server.config import RestConfig
from accelserve.server.errors import BodyTooLargeError, InvalidRequestError, RequestCancelledError

_CHUNK_BYTES = 1 << 20
_FIRST_STEP_BYTES = 1 << 9
_ALIASES = {"x-gzip": "gzip"}  # RFC 9110, section 8.4.1.3
# zlib's number for each format: gzip, and what HTTP calls deflate, which is zlib's own.
_GZIP_MAGIC = b"\x1f\x8b"
_WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


async def read_body(request: Request, limits: RestConfig) -> bytes:
    """The body as it was sent, compressed or not.

    Raises:
        BodyTooLargeError: it is, or announces to be; nothing of the latter is read, nor asked for.
        RequestCancelledError: the caller left before it was all sent.
    """
    announced = request.headers.get("content-length", "0")  # digits only: the HTTP parser saw to that
    if int(announced) > limits.max_body_bytes:
        raise BodyTooLargeError(limits.max_body_bytes)
    return await _received(request, limits)


def decoded(body: bytes, request: Request, limits: RestConfig) -> bytes:
    """The body without its content-encoding; work for a thread that may compute.

    Raises:
        InvalidRequestError: it compresses too well, or is broken, or has an encoding that is not known.
    """
    encoding = request.headers.get("content-encoding", "identity").lower()
    encoding = _ALIASES.get(encoding, encoding)
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
    """Decompress step by step, and stop as soon as a limit is passed; InvalidRequestError as for ``decoded``.

    A gzip body may have several members, one after the other (RFC 1952, section 2.2).
    """
    allowed = min(limits.max_body_bytes, len(body) * limits.max_gzip_ratio)
    parts: list[bytes] = []
    size, position, pending = 0, 0, True
    while pending:
        stream = _Stream(memoryview(body), position, encoding)
        for part in stream.parts():
            size += len(part)
            if size > allowed:
                raise InvalidRequestError(
                    f"the {encoding} body of {len(body)} bytes holds more than {allowed} bytes; send it uncompressed"
                )
            parts.append(part)
        position = stream.position
        pending = encoding == "gzip" and body.startswith(_GZIP_MAGIC, position)
    return b"".join(parts)


class _Stream:
    """One compressed stream within a body; ``position`` is where it begins, and ends once ``parts`` is through."""

    def __init__(self, body: memoryview, position: int, encoding: str) -> None:
        self.position = position
        self._body = body
        self._encoding = encoding

    def parts(self) -> Iterator[bytes]:
        """What it holds; InvalidRequestError if it is broken or does not end."""
        decompressor = zlib.decompressobj(_WINDOWS[self._encoding])
        # zlib copies what is behind the stream's end: a body of many short streams is taken in short steps.
        step = _FIRST_STEP_BYTES
        try:
            while not decompressor.eof and self.position < len(self._body):
                pending: bytes | memoryview = self._body[self.position : self.position + step]
                self.position += len(pending)
                while pending and not decompressor.eof:
                    yield decompressor.decompress(pending, _CHUNK_BYTES)
                    pending = decompressor.unconsumed_tail
                step = min(2 * step, _CHUNK_BYTES)
        except zlib.error as error:
            raise InvalidRequestError(f"the {self._encoding} body is broken: {error}") from error
        if not decompressor.eof:
            raise InvalidRequestError(f"the {self._encoding} body is cut short")
        self.position -= len(decompressor.unused_data)
