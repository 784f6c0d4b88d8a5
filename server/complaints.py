"""What is wrong with models, said once: in the log, or, if it ends the start, by the error that does."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LOG = logging.getLogger(__name__)


class Complaints:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: list[tuple[int, str]] | None = None

    def say(self, level: int, sentence: str, error: Exception | None = None) -> None:
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
