"""Loads what is wanted, keeps what serves until its successor serves, unloads when nobody uses it any more.

Every version is a small state machine, START -> LOADING -> AVAILABLE -> UNLOADING -> END:

- a load that fails goes back to START and waits for its turn on a timer, so that a broken model never holds up
  another; after the last try it rests in END until its files change;
- an unwanted version is unloaded only when a wanted version of the same model is available, or when no version of the
  model is wanted at all;
- unloading begins when the last handle is given back.

One lock guards all state; loading and closing happen outside it, on pools.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Generic

from accelserve.server.config import LoadingConfig
from accelserve.server.core.handle import ServableHandle
from accelserve.server.core.servable import Loader, S, ServableId
from accelserve.server.core.source import AspiredVersion
from accelserve.server.core.states import ServableStateMonitor, StateReport, VersionState
from accelserve.server.errors import LoadError, ServableNotFoundError
from accelserve.server.faults import FaultLog

_LOG = logging.getLogger(__name__)

LOAD_THREADS = "load"
"""What the names of the threads that load begin with."""


@dataclass(slots=True, eq=False)
class _Harness(Generic[S]):
    """One version on its way through the states. Guarded by the manager's lock."""

    servable_id: ServableId
    aspired: AspiredVersion
    wanted: bool = True
    state: VersionState = VersionState.START
    failures: int = 0
    error: Exception | None = None
    servable: S | None = None
    users: int = 0
    retry: threading.Timer | None = field(default=None, repr=False)

    @property
    def resting(self) -> bool:
        """Failed, and nothing is under way."""
        return self.error is not None and self.state in (VersionState.START, VersionState.END)


class Manager(Generic[S]):
    """Owns every loaded version. All methods may be called from any thread."""

    def __init__(
        self,
        loader: Loader[S],
        states: ServableStateMonitor,
        config: LoadingConfig,
        faults: FaultLog | None = None,
    ) -> None:
        self._loader = loader
        self._states = states
        self._config = config
        self._faults = faults or FaultLog()
        self._lock = threading.RLock()
        self._models: dict[str, dict[int, _Harness[S]]] = {}
        self._loading = True
        self._loads: set[Future[None]] = set()
        self._load_pool = ThreadPoolExecutor(config.load_threads, LOAD_THREADS)
        self._unload_pool = ThreadPoolExecutor(config.unload_threads, "unload")

    def aspire(self, name: str, versions: Mapping[int, AspiredVersion]) -> None:
        """State the complete set of versions of one model that shall be served.

        Args:
            name: the model.
            versions: number -> where it is; empty unloads the model.
        """
        with self._lock:
            if not self._loading:
                return
            harnesses = self._models.setdefault(name, {})
            for harness in harnesses.values():
                harness.wanted = harness.servable_id.version in versions
            for version, aspired in sorted(versions.items()):
                known = harnesses.get(version)
                if known is None:
                    harnesses[version] = _Harness(ServableId(name, version), aspired)
                    self._publish(harnesses[version])
                elif known.resting and known.aspired.fingerprint != aspired.fingerprint:
                    self._try_afresh(known, aspired)
            self._advance(name)

    def acquire(self, name: str, version: int | None = None) -> ServableHandle[S]:
        """Hold an available version: the given one, or the highest.

        Raises:
            ServableNotFoundError: there is none.
        """
        with self._lock:
            harness = self._find(name, version)
            if harness is None or harness.servable is None:
                wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
                raise ServableNotFoundError(f"Servable not found for request: {wanted}")
            harness.users += 1
            return ServableHandle(harness.servable_id, harness.servable, lambda: self._release(harness))

    def available(self) -> list[ServableId]:
        """What can be acquired now, sorted."""
        with self._lock:
            return sorted(
                harness.servable_id
                for harnesses in self._models.values()
                for harness in harnesses.values()
                if harness.state is VersionState.AVAILABLE
            )

    def serves(self, name: str, version: int) -> bool:
        """Whether that version can be acquired now."""
        with self._lock:
            return self._find(name, version) is not None

    def stop_loading(self) -> None:
        """Load nothing from now on, and want nothing of what loads. What serves stays, wanted or not."""
        with self._lock:
            self._loading = False
            for name, harnesses in list(self._models.items()):
                for version, harness in list(harnesses.items()):
                    harness.wanted = harness.state is VersionState.AVAILABLE
                    if harness.state in (VersionState.START, VersionState.LOADING):
                        self._drop(harnesses, version)
                if not harnesses:
                    del self._models[name]

    def close(self, timeout: float | None = None) -> None:
        """Unload everything; returns when every version has been given back and closed, or after ``timeout`` s.

        A load cannot be interrupted: one that takes longer goes on, on its thread, and what it has loaded is closed.
        """
        begin = time.monotonic()
        self.stop_loading()
        with self._lock:
            under_way = list(self._loads)
            for name, harnesses in list(self._models.items()):
                for harness in harnesses.values():
                    harness.wanted = False
                self._advance(name)
        self._load_pool.shutdown(wait=False, cancel_futures=True)
        if wait(under_way, timeout).not_done:
            _LOG.warning("a load is under way that is not waited for")
        left = None if timeout is None else max(0.0, begin + timeout - time.monotonic())
        self._states.wait_until(
            lambda: all(report.state is VersionState.END for report in self._states.all()), left
        )
        self._unload_pool.shutdown(wait=True)

    def _find(self, name: str, version: int | None) -> _Harness[S] | None:
        harnesses = self._models.get(name, {})
        if version is not None:
            harness = harnesses.get(version)
            return harness if harness and harness.state is VersionState.AVAILABLE else None
        available = [v for v, harness in harnesses.items() if harness.state is VersionState.AVAILABLE]
        return harnesses[max(available)] if available else None

    def _release(self, harness: _Harness[S]) -> None:
        with self._lock:
            harness.users -= 1
            if harness.state is VersionState.UNLOADING and harness.users == 0:
                self._unload_pool.submit(self._unload, harness)

    def _try_afresh(self, harness: _Harness[S], aspired: AspiredVersion) -> None:
        if harness.retry is not None:
            harness.retry.cancel()
            harness.retry = None
        harness.aspired = aspired
        harness.failures = 0
        harness.state = VersionState.START

    def _advance(self, name: str) -> None:
        """Do what can be done for one model now. Called under the lock, after every change."""
        harnesses = self._models[name]
        for harness in list(harnesses.values()):
            if harness.wanted and harness.state is VersionState.START and harness.retry is None:
                self._move(harness, VersionState.LOADING)
                load = self._load_pool.submit(self._load, harness)
                self._loads.add(load)
                load.add_done_callback(self._loads.discard)
        for version, harness in list(harnesses.items()):
            if harness.wanted:
                continue
            if harness.resting:
                self._drop(harnesses, version)
            elif harness.state is VersionState.AVAILABLE and self._may_unload(harnesses):
                self._move(harness, VersionState.UNLOADING)
                if harness.users == 0:
                    self._unload_pool.submit(self._unload, harness)
        if not harnesses:
            del self._models[name]

    def _may_unload(self, harnesses: Mapping[int, _Harness[S]]) -> bool:
        wanted = [harness for harness in harnesses.values() if harness.wanted]
        return not wanted or any(harness.state is VersionState.AVAILABLE for harness in wanted)

    def _drop(self, harnesses: dict[int, _Harness[S]], version: int) -> None:
        harness = harnesses.pop(version)
        if harness.retry is not None:
            harness.retry.cancel()
        self._move(harness, VersionState.END)

    def _load(self, harness: _Harness[S]) -> None:
        begin = time.perf_counter()
        try:
            servable = self._loader.load(harness.servable_id, harness.aspired.path)
        except Exception as error:  # noqa: BLE001 - whatever a load raises is a state of the version, not of the server
            self._load_failed(harness, error)
            return
        with self._lock:
            if self._loading:
                harness.servable = servable
                harness.failures, harness.error = 0, None
                _LOG.info("loaded %s in %.1f s", harness.servable_id, time.perf_counter() - begin)
                name = harness.servable_id.name
                self._models.setdefault(name, {})[harness.servable_id.version] = harness
                self._move(harness, VersionState.AVAILABLE)
                self._advance(name)
                return
        servable.close()  # too late: nobody knows of it any more

    def _load_failed(self, harness: _Harness[S], error: Exception) -> None:
        with self._lock:
            if not self._loading:
                return
            news = str(error) != str(harness.error)
            harness.failures += 1
            harness.error = error
            final = harness.failures > self._config.max_retries
            if news or final:
                then = "giving up until its files change" if final else "will retry"
                unforeseen = None if _foreseen(error) else error
                sentence = f"loading {harness.servable_id} failed, {then}: {error}"
                self._faults.log(logging.ERROR, sentence, unforeseen)
            if harness.servable_id.name not in self._models:
                return
            if not final:
                harness.retry = threading.Timer(self._config.retry_seconds, self._retry, (harness,))
                harness.retry.daemon = True
                harness.retry.start()
            self._move(harness, VersionState.END if final else VersionState.START)
            self._advance(harness.servable_id.name)

    def _retry(self, harness: _Harness[S]) -> None:
        with self._lock:
            harness.retry = None
            if harness.wanted and self._loading:
                self._advance(harness.servable_id.name)

    def _unload(self, harness: _Harness[S]) -> None:
        servable = harness.servable
        if servable is None:
            return
        try:
            servable.close()
        except Exception:  # noqa: BLE001 - a failing close must not stop the pool; the trace is logged
            _LOG.exception("closing %s failed", harness.servable_id)
        del servable
        with self._lock:
            harness.servable = None
            name = harness.servable_id.name
            harnesses = self._models.setdefault(name, {})
            harnesses.pop(harness.servable_id.version, None)
            _LOG.info("unloaded %s", harness.servable_id)
            self._move(harness, VersionState.END)
            if harness.wanted and self._loading:  # wanted again while it was on its way out
                again = _Harness[S](harness.servable_id, harness.aspired)
                harnesses[harness.servable_id.version] = again
                self._publish(again)
            self._advance(name)

    def _move(self, harness: _Harness[S], state: VersionState) -> None:
        harness.state = state
        self._publish(harness)

    def _publish(self, harness: _Harness[S]) -> None:
        settled = harness.state >= VersionState.AVAILABLE or harness.resting
        self._states.publish(StateReport(harness.servable_id, harness.state, harness.error, settled))


def _foreseen(error: Exception) -> bool:
    """Errors that our rooms raise on purpose explain themselves; a trace would only hide the sentence."""
    return type(error).__module__.startswith("accelserve.") or isinstance(error, OSError | LoadError)
