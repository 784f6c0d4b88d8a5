"""The state of every version that was ever wanted, for GetModelStatus, readiness and the log."""

from __future__ import annotations

import enum
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from accelserve.server.core.servable import ServableId

_NAP_SECONDS = 0.5


class VersionState(enum.IntEnum):
    """TensorFlow Serving's states, with its numbers."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass(frozen=True, slots=True)
class StateReport:
    """What is known about one version.

    Attributes:
        servable_id: which.
        state: where it is.
        error: why the last load failed, if it did and none succeeded since.
        settled: no load is under way or about to start at once; a later retry may still change it.
    """

    servable_id: ServableId
    state: VersionState
    error: Exception | None = None
    settled: bool = False


class ServableStateMonitor:
    """Latest report of every version; thread-safe.

    Of the versions that ended, the last ``remembered`` of each model are kept, so that a server that reloads for
    months does not grow.
    """

    remembered = 16

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._reports: dict[ServableId, StateReport] = {}
        self._listeners: list[Callable[[StateReport], None]] = []

    def subscribe(self, listener: Callable[[StateReport], None]) -> None:
        """Call ``listener`` with every later report, in order, on the reporting thread; it must be quick."""
        with self._changed:
            self._listeners.append(listener)

    def publish(self, report: StateReport) -> None:
        """Record a report and wake whoever waits."""
        with self._changed:
            # Taken out first, so that the dict's order is the order of the reports.
            self._reports.pop(report.servable_id, None)
            self._reports[report.servable_id] = report
            if report.state is VersionState.END:
                self._forget_oldest(report.servable_id.name)
            for listener in self._listeners:
                listener(report)
            self._changed.notify_all()

    def of(self, name: str) -> list[StateReport]:
        """Reports of one model, highest version first."""
        with self._changed:
            found = [report for key, report in self._reports.items() if key.name == name]
        return sorted(found, key=lambda report: report.servable_id.version, reverse=True)

    def all(self) -> list[StateReport]:
        """Every report, by name, then highest version first."""
        with self._changed:
            found = list(self._reports.values())
        return sorted(found, key=lambda report: (report.servable_id.name, -report.servable_id.version))

    def wait_until(self, holds: Callable[[], bool], timeout: float | None = None) -> bool:
        """Wait until ``holds()``, asked after every report; False if ``timeout`` seconds pass first."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not holds():
                remaining = None if deadline is None else deadline - time.monotonic()
                if remaining is not None and remaining <= 0:
                    return False
                # Never for long at a time: a main thread that sleeps on a lock may miss the signals that it handles.
                self._changed.wait(_NAP_SECONDS if remaining is None else min(remaining, _NAP_SECONDS))
            return True

    def _forget_oldest(self, name: str) -> None:
        ended = [
            key
            for key, report in self._reports.items()
            if key.name == name and report.state is VersionState.END
        ]
        for key in ended[: -self.remembered]:
            del self._reports[key]
