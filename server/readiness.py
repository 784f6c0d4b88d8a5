"""Is the server, or one of its models, ready? What health checks of every protocol answer from."""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Iterator

from accelserve.server.core.states import ServableStateMonitor, VersionState


class Phase(enum.Enum):
    """Of the whole server's life."""

    STARTING = enum.auto()
    RUNNING = enum.auto()
    DRAINING = enum.auto()


class Readiness:
    """Follows the states of versions; thread-safe.

    Args:
        states: states of the versions.
        wanted: names of the models that shall be served, now.
    """

    def __init__(self, states: ServableStateMonitor, wanted: Callable[[], list[str]]) -> None:
        self._states = states
        self._wanted = wanted
        self._phase = Phase.STARTING
        self._changed = threading.Condition()
        self._generation = 0
        states.subscribe(lambda _report: self._notify())

    def enter(self, phase: Phase) -> None:
        """The server's life goes on."""
        self._phase = phase
        self._notify()

    @property
    def draining(self) -> bool:
        """Nothing new is taken."""
        return self._phase is Phase.DRAINING

    def model(self, name: str) -> bool:
        """Whether requests for the model are answered."""
        return self._phase is Phase.RUNNING and self._available(name)

    def server(self) -> bool:
        """Whether requests for every wanted model are answered."""
        return self._phase is Phase.RUNNING and all(self._available(name) for name in self._wanted())

    def models(self) -> list[str]:
        """Names of the models that shall be served."""
        return self._wanted()

    def changes(self, alive: Callable[[], bool]) -> Iterator[None]:
        """Yield once, and again after every change, until ``alive()`` is false; ``wake`` makes it look.

        One that draws slowly misses intermediate changes, never the last.
        """
        seen = -1
        while alive():
            with self._changed:
                while self._generation == seen and alive():
                    self._changed.wait()
                seen = self._generation
            if alive():
                yield

    def wake(self) -> None:
        """Have every ``changes`` look whether it is alive."""
        with self._changed:
            self._changed.notify_all()

    def _available(self, name: str) -> bool:
        return any(report.state is VersionState.AVAILABLE for report in self._states.of(name))

    def _notify(self) -> None:
        with self._changed:
            self._generation += 1
            self._changed.notify_all()
