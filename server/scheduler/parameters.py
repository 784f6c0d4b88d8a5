"""Batching parameters, of which a model may have its own."""

from __future__ import annotations

import threading

from accelserve.server.config import BatchingConfig


class BatchingTable:
    """The server's parameters, and those of single models. Thread-safe."""

    def __init__(self, default: BatchingConfig) -> None:
        self.default = default
        self._lock = threading.Lock()
        self._own: dict[str, BatchingConfig] = {}

    def of(self, model: str) -> BatchingConfig:
        """What applies to a model."""
        return self._own.get(model, self.default)

    def replace(self, model: str, own: BatchingConfig | None) -> None:
        """The newest version of a model has these of its own, or none."""
        with self._lock:
            if own is None:
                self._own.pop(model, None)
            else:
                self._own[model] = own
