"""Calls that last: a bounded number of them, which end when the server drains."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

import grpc

from accelserve.server.errors import TooManyRequestsError
from accelserve.server.protocols.status import status_of

T = TypeVar("T")

# Each holds a thread of the control pool for as long as its client likes.
MAX_STREAMS = 64
_RETRY_MS = 1000


class OpenStreams:
    """The streams that are open now. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[grpc.ServicerContext] = set()

    def run(self, context: grpc.ServicerContext, responses: Callable[[], Iterator[T]]) -> Iterator[T]:
        """The responses, if a place is free; otherwise the call is refused."""
        with self._lock:
            admitted = len(self._open) < MAX_STREAMS
            if admitted:
                self._open.add(context)
        if not admitted:
            status = status_of(TooManyRequestsError(f"{MAX_STREAMS} streams are open already", _RETRY_MS))
            context.abort(status.code, status.message)
        try:
            yield from responses()
        finally:
            with self._lock:
                self._open.discard(context)

    def close(self) -> None:
        """End them all; their clients see CANCELLED and look for another server."""
        with self._lock:
            ending = list(self._open)
        for context in ending:
            context.cancel()
