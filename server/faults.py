"""What is wrong with models, said once: in the log, or, if it ends the start, by the error that does."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

_LOG = logging.getLogger(__name__)

KeyT = TypeVar("KeyT", bound=Hashable)


class FaultLog:
    """Logs at once, or after a start that holds back what its error may say. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: list[tuple[int, str]] | None = None

    def log(self, level: int, sentence: str, error: Exception | None = None) -> None:
        """Log a sentence, now or when what is held comes free.

        Args:
            level: of logging.
            sentence: for people.
            error: nobody foresaw, whose trace is logged at once in any case.
        """
        with self._lock:
            if self._held is not None and error is None:
                self._held.append((level, sentence))
                return
        _LOG.log(level, "%s", sentence, exc_info=error)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold what is said meanwhile; log it afterwards, unless an exception says it."""
        with self._lock:
            self._held = []
        said: list[tuple[int, str]] = []
        try:
            yield
            with self._lock:
                said = self._held
        finally:
            with self._lock:
                self._held = None
        for level, sentence in said:
            _LOG.log(level, "%s", sentence)


class Faults(Generic[KeyT]):
    """The fault that each of several things has now. A sentence is logged when it is new, however often it is found."""

    def __init__(self, log: FaultLog) -> None:
        self._log = log
        self._sentences: dict[KeyT, str] = {}

    def report(self, key: KeyT, sentence: str) -> None:
        """It has this fault."""
        if self._sentences.get(key) != sentence:
            self._sentences[key] = sentence
            self._log.log(logging.WARNING, sentence)

    def clear(self, key: KeyT) -> None:
        """It has none."""
        self._sentences.pop(key, None)

    def keep(self, keys: Collection[KeyT]) -> None:
        """Forget all others."""
        for gone in set(self._sentences) - set(keys):
            del self._sentences[gone]

    def of(self, key: KeyT) -> str | None:
        """Its sentence, or None."""
        return self._sentences.get(key)

    def all(self) -> dict[KeyT, str]:
        """Every fault, the oldest first."""
        return dict(self._sentences)
