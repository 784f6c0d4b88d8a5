"""Waits for a call's only message, but not for ever: callers that send a byte now and then must not hold every thread.

A call gets its thread before its message is there. One that takes longer than allowed is cut off; so is the slowest one
while more than half of the threads wait for messages, as soon as it is a little late.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

import grpc

from accelserve.server.errors import InvalidRequestError, RequestCancelledError

_LOG = logging.getLogger(__name__)


class MessageReceiver:
    """The calls whose message is on its way. Thread-safe.

    Args:
        timeout_seconds: from the call's start to its whole message.
        late_seconds: the same while half of the threads wait.
        threads: of the pool that waits here.
    """

    def __init__(self, timeout_seconds: float, late_seconds: float, threads: int) -> None:
        self._timeout_seconds = timeout_seconds
        self._late_seconds = min(late_seconds, timeout_seconds)
        self._crowd = max(1, threads // 2)
        self._waiting: dict[grpc.ServicerContext, float] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._guard = threading.Thread(target=self._watch, name="message-receiver", daemon=True)

    def start(self) -> None:
        """Begin to cut off."""
        self._guard.start()

    def stop(self) -> None:
        """Stop; returns when the thread has ended. Harmless if it never began."""
        self._stop.set()
        if self._guard.ident is not None:
            self._guard.join()

    def message(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        """The call's only message.

        Raises:
            InvalidRequestError: the caller closed without one.
            RequestCancelledError: the call ended, by its caller or because it took too long.
        """
        with self._lock:
            self._waiting[context] = time.monotonic()
        try:
            return next(requests)
        except StopIteration:
            raise InvalidRequestError("the call ended without a request message") from None
        except grpc.RpcError as error:
            raise RequestCancelledError("the call ended before its message was there") from error
        finally:
            with self._lock:
                self._waiting.pop(context, None)

    def _watch(self) -> None:
        while not self._stop.wait(self._late_seconds / 4):
            for context in self._overdue(time.monotonic()):
                _LOG.warning("%s was cut off: its request message did not arrive in time", context.peer())
                context.cancel()

    def _overdue(self, now: float) -> list[grpc.ServicerContext]:
        with self._lock:
            waiting = list(self._waiting.items())  # oldest first
        crowd = max(0, len(waiting) - self._crowd)
        return [
            context
            for index, (context, since) in enumerate(waiting)
            if now - since > (self._late_seconds if index < crowd else self._timeout_seconds)
        ]
