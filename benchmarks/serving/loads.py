"""One server under load: the loads that every one gets, through ``accelserve.loadgen``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from accelserve.loadgen.fleet import Fleet, fleet
from accelserve.loadgen.limits import client_limits
from accelserve.loadgen.plan import Closed, Load, Open, Pictures, Step
from accelserve.loadgen.preflight import ask_once
from accelserve.loadgen.ramp import Point, callers_of_ramp, climb, knee
from accelserve.loadgen.recorder import Merged
from accelserve.loadgen.server_metrics import Breakdown, Samples, breakdown, look_at
from benchmarks.serving.running import Running

CLIENT_PROCESSES = 1
"""A process of the client costs little beside two cores' inference, and every more of them is a core's share less."""
MOST_IN_FLIGHT = 64
MOST_CALLERS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What came of a load.

    Attributes:
        measured: by the client.
        server_cpu_seconds: of all the server's processes meanwhile.
        notes: where the client was the limit.
        server: its own account, where it has one and was asked.
    """

    measured: Merged
    server_cpu_seconds: float
    notes: tuple[str, ...]
    server: Breakdown | None

    @property
    def throughput(self) -> float:
        """Answers a second, until the last one."""
        return self.measured.answered / self.measured.seconds if self.measured.seconds else 0.0

    @property
    def cpu_seconds_per_1000(self) -> float:
        """Of the server, per 1,000 answers."""
        return 1000 * self.server_cpu_seconds / self.measured.answered if self.measured.answered else 0.0


class Loader:
    """A client that is ready to make any load of one server; made by ``loader``.

    Args:
        running: the server.
        clients: its processes.
        metrics: address of the server's Prometheus page; empty if it has none.
    """

    def __init__(self, running: Running, clients: Fleet, metrics: str = "") -> None:
        self._running = running
        self._clients = clients
        self._look = look_at(metrics, running.target) if metrics else None

    def take(self, load: Load, seconds: float, *, seed: int = 0, deadline_ms: float | None = None) -> Seen:
        """Make a load; KeyboardInterrupt goes through.

        Args:
            load: of the client.
            seconds: in which requests are sent.
            seed: of the arrivals: the same for every server.
            deadline_ms: answers within it are good.
        """
        step = Step(load=load, seconds=seconds, deadline_ms=deadline_ms, seed=seed)
        before, cpu = self._samples(), self._running.cpu_seconds()
        measured = self._clients.measure(step, _nothing)
        if self._clients.interrupted:
            raise KeyboardInterrupt
        spent, after = self._running.cpu_seconds() - cpu, self._samples()
        return Seen(
            measured=measured,
            server_cpu_seconds=spent,
            notes=tuple(client_limits(measured, step, self._running.target)),
            server=None if before is None or after is None else breakdown(before, after),
        )

    def _samples(self) -> Samples | None:
        return None if self._look is None else self._look()

    def knee(self, seconds: float) -> float:
        """Requests a second at the knee of a ramp with 1, 2, 4, ... callers, as ``accelserve bench --ramp`` has it."""
        points: list[Point] = []

        def measure(callers: int) -> Point:
            seen = self.take(Closed(callers=callers), seconds)
            points.append(
                Point(throughput=seen.throughput, mean_seconds=seen.measured.latency.mean_ms / 1000)
            )
            return points[-1]

        climb(callers_of_ramp(MOST_CALLERS), measure)
        found = knee(points)
        return 0.0 if found is None else points[found].throughput


def arriving(rate: float) -> Open:
    """An open loop."""
    return Open(rate=rate, max_in_flight=MOST_IN_FLIGHT)


@contextmanager
def loader(running: Running, pictures: Pictures, batch_size: int = 1, metrics: str = "") -> Iterator[Loader]:
    """A client of a server; its processes end with the block.

    Args:
        running: the server.
        pictures: what is sent.
        batch_size: pictures a request.
        metrics: as ``Loader`` takes it.
    """
    form = ask_once(running.target, [pictures.files[0]] * batch_size)
    with fleet(
        running.target,
        pictures,
        batch_size=batch_size,
        form=form,
        processes=CLIENT_PROCESSES,
        connections=MOST_IN_FLIGHT,
    ) as clients:
        yield Loader(running, clients, metrics)


def _nothing(_measured: Merged, _seconds: float) -> None:
    """Nobody watches a step."""
