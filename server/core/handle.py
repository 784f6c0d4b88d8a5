"""A request's hold on a version: while it lasts, the version stays loaded."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Generic, Self

from accelserve.server.core.servable import S, ServableId


class ServableHandle(Generic[S]):
    """Use as a context manager. ``servable`` must not be kept longer than the handle."""

    def __init__(self, servable_id: ServableId, servable: S, release: Callable[[], None]) -> None:
        self.servable_id = servable_id
        self.servable = servable
        self._release = release
        self._released = threading.Lock()

    def release(self) -> None:
        """Give the version back; a second call does nothing."""
        if self._released.acquire(blocking=False):
            self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
