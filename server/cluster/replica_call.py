"""A call as a replica sees it, in the shape that the methods of the gRPC frontend know."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

import grpc

Metadata = Sequence[tuple[str, str]]


class CallAbortedError(Exception):
    """A method ended its call with a status, which the call holds."""


class ReplicaCall:
    """The part of ``grpc.ServicerContext`` that methods use, on Ray Serve's copy of the proxy's context. Thread-safe.

    Args:
        carried: Serve's ``RayServegRPCContext``: what is set on it travels back to the proxy with the answer.
        remaining_seconds: until the caller's deadline; None without one.
    """

    def __init__(self, carried: Any, remaining_seconds: float | None) -> None:
        self._carried = carried
        self._deadline = None if remaining_seconds is None else time.monotonic() + remaining_seconds
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] | None = []
        self._trailing: Metadata = ()

    def invocation_metadata(self) -> Iterable[tuple[str, str]]:
        """What the caller sent."""
        metadata: Iterable[tuple[str, str]] = self._carried.invocation_metadata()
        return metadata

    def peer(self) -> str:
        """The caller's address, as the proxy saw it."""
        return str(self._carried.peer())

    def code(self) -> grpc.StatusCode | None:
        """The status that was set, None for success."""
        code: grpc.StatusCode | None = self._carried.code() or None
        return code

    def time_remaining(self) -> float | None:
        """Seconds until the caller's deadline, never negative."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def add_callback(self, callback: Callable[[], None]) -> bool:
        """Call it once the caller has gone; False if that has happened already."""
        with self._lock:
            if self._callbacks is None:
                return False
            self._callbacks.append(callback)
            return True

    def caller_left(self) -> None:
        """The proxy cancelled the call: its deadline passed, or the caller went away."""
        with self._lock:
            callbacks, self._callbacks = self._callbacks or [], None
        for callback in callbacks:
            callback()

    def trailing_metadata(self) -> Metadata:
        """What was set."""
        return self._trailing

    def set_trailing_metadata(self, metadata: Metadata) -> None:
        """Send these back, instead of what was set before."""
        self._trailing = tuple(metadata)
        self._carried.set_trailing_metadata(list(metadata))

    def abort(self, code: grpc.StatusCode, details: str) -> NoReturn:
        """End the call with a status; raises CallAbortedError."""
        self._carried.set_code(code)
        self._carried.set_details(details)
        raise CallAbortedError
