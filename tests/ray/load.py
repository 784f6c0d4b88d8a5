"""Callers that go on asking, and send a call again once if it was lost."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import grpc

# What gRPC's own retry policies send again.
RETRIED = grpc.StatusCode.UNAVAILABLE


class Load:
    """Each caller has a way to call and another for the second try.

    Args:
        ways: (first, second) of each caller.
    """

    def __init__(self, ways: Sequence[tuple[Callable[[], Any], Callable[[], Any]]]) -> None:
        self.answers: list[Any] = []
        self.retried: Counter[str] = Counter()
        self.lost: list[str] = []
        self._stop = threading.Event()
        self._grown = threading.Condition()
        self._threads = [threading.Thread(target=self._ask, args=each, daemon=True) for each in ways]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, more: int) -> None:
        """Return after so many further calls have ended."""
        with self._grown:
            aim = self._ended() + more
            assert self._grown.wait_for(lambda: self._ended() >= aim, 240), (self.lost, self.retried)

    def _ended(self) -> int:
        return len(self.answers) + len(self.lost)

    def _ask(self, first: Callable[[], Any], second: Callable[[], Any]) -> None:
        while not self._stop.is_set():
            answer = self._one(first, second)
            with self._grown:
                if answer is not None:
                    self.answers.append(answer)
                self._grown.notify_all()

    def _one(self, first: Callable[[], Any], second: Callable[[], Any]) -> Any:
        try:
            return first()
        except grpc.RpcError as error:
            if error.code() is not RETRIED:
                self.lost.append(f"{error.code()}: {error.details()}")
                return None
            self.retried[str(error.details())] += 1
        try:
            return second()
        except grpc.RpcError as error:
            self.lost.append(f"at the second try {error.code()}: {error.details()}")
            return None
