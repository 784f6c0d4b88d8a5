"""Calls that last: a bounded number of them, which end when the server drains."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import grpc

from accelserve.server.errors import DrainingError, TooManyRequestsError
from accelserve.server.protocols.status import status_of
from accelserve.server.rpc.guard import abort

Q = TypeVar("Q")
T = TypeVar("T")

# Each holds a thread of the control pool for as long as its client likes.
MAX_STREAMS = 64
_RETRY_MS = 1000


@dataclass(slots=True, eq=False)
class _Stream:
    """One that is open. Guarded by the lock of all; ``idle`` while nothing is in hand and the next request is awaited."""

    context: grpc.ServicerContext
    idle: bool = False


class OpenStreams:
    """The streams that are open now. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[_Stream] = set()
        self._closing = False

    def run(self, context: grpc.ServicerContext, responses: Callable[[], Iterator[T]]) -> Iterator[T]:
        """Responses that end by themselves when the server drains, if a place is free; otherwise the call is refused."""
        with self._place(context):
            yield from responses()

    def answers(
        self, context: grpc.ServicerContext, requests: Iterator[Q], answer: Callable[[Q], T]
    ) -> Iterator[T]:
        """An answer for each request, if a place is free; otherwise the call is refused.

        When the server drains, what is in hand is answered; then the call ends with UNAVAILABLE.
        """
        with self._place(context) as stream:
            while True:
                self._begin_waiting(stream)
                try:
                    request = next(requests)
                except StopIteration:
                    return
                finally:
                    self._end_waiting(stream)
                yield answer(request)

    def close(self) -> None:
        """End those that have nothing in hand: their clients see CANCELLED and look for another server."""
        with self._lock:
            self._closing = True
            ending = [stream.context for stream in self._open if stream.idle]
        for context in ending:
            context.cancel()

    @contextmanager
    def _place(self, context: grpc.ServicerContext) -> Iterator[_Stream]:
        stream = _Stream(context)
        with self._lock:
            admitted = len(self._open) < MAX_STREAMS
            if admitted:
                self._open.add(stream)
        if not admitted:
            refusal = TooManyRequestsError(f"{MAX_STREAMS} streams are open already", _RETRY_MS)
            abort(context, status_of(refusal))
        try:
            yield stream
        finally:
            with self._lock:
                self._open.discard(stream)

    def _begin_waiting(self, stream: _Stream) -> None:
        with self._lock:
            draining = self._closing
            stream.idle = not draining
        if draining:
            abort(stream.context, status_of(DrainingError()))

    def _end_waiting(self, stream: _Stream) -> None:
        with self._lock:
            stream.idle = False
