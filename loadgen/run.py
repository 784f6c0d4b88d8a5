"""A whole measurement: warm-up, steps, the server's metrics around each, notes, and the knee of a ramp."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from accelserve.loadgen.errors import LoadError
from accelserve.loadgen.fleet import Fleet, fleet
from accelserve.loadgen.limits import client_limits
from accelserve.loadgen.plan import Closed, Load, Pictures, Step, Target
from accelserve.loadgen.preflight import ask_once
from accelserve.loadgen.ramp import Point, callers_of_ramp, climb, knee, rates_of_ramp
from accelserve.loadgen.recorder import Merged
from accelserve.loadgen.results import Measurement, Result
from accelserve.loadgen.server_metrics import Look, Samples, breakdown, look_at

Watch = Callable[[str, Merged, float, float], None]
"""Takes what is done, what was measured up to now, the seconds gone, and of how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What shall be measured.

    Attributes:
        target: whom to ask.
        pictures: what to send.
        batch_size: pictures a request.
        load: of the only step; of a ramp, a closed loop of the most callers, or the open loop that it begins with.
        is_ramp: whether it is one.
        seconds: of each step.
        warm_up_seconds: of a closed loop before anything is recorded; 0 is none.
        deadline_ms: answers within it count as goodput; None counts every answer.
        processes: of the client.
        seed: of the arrivals.
        metrics: address of the server's Prometheus page; empty if it shall not be asked.
    """

    target: Target
    pictures: Pictures
    batch_size: int
    load: Load
    is_ramp: bool
    seconds: float
    warm_up_seconds: float
    deadline_ms: float | None
    processes: int
    seed: int
    metrics: str


def measure(wish: Wish, watch: Watch) -> Measurement:
    """Ask, warm up, and measure. Ctrl-C ends it early with what was measured until then.

    Raises:
        UnanswerableError: the server does not answer a first request.
        LoadError: its metrics cannot be read, or a client process ended.
    """
    look = look_at(wish.metrics, wish.target) if wish.metrics else None
    if look is not None:
        look()
    first = wish.pictures.files[wish.pictures.order[0]]
    form = ask_once(wish.target, [first] * wish.batch_size)
    most = wish.load.callers if isinstance(wish.load, Closed) else wish.load.max_in_flight
    processes = min(wish.processes, most)
    with fleet(
        wish.target,
        wish.pictures,
        batch_size=wish.batch_size,
        form=form,
        processes=processes,
        connections=most,
    ) as clients:
        results = _steps(wish, clients, look, watch)
        interrupted = clients.interrupted
    return Measurement(
        target=wish.target,
        pictures=wish.pictures,
        batch_size=wish.batch_size,
        processes=processes,
        results=results,
        knee=knee([result.point for result in results]) if wish.is_ramp else None,
        is_ramp=wish.is_ramp,
        interrupted=interrupted,
        metrics=wish.metrics,
        form=form,
    )


def _steps(wish: Wish, clients: Fleet, look: Look | None, watch: Watch) -> list[Result]:
    results: list[Result] = []
    if wish.warm_up_seconds:
        callers = 1 if wish.is_ramp else min(4, _most(wish.load))
        warm_up = Step(
            load=Closed(callers=callers), seconds=wish.warm_up_seconds, deadline_ms=None, seed=wish.seed
        )
        clients.measure(warm_up, _watching(watch, "warming up", warm_up))

    def take(load: Load) -> Point | None:
        if clients.interrupted:
            return None
        step = Step(load=load, seconds=wish.seconds, deadline_ms=wish.deadline_ms, seed=wish.seed)
        results.append(_result(wish, clients, look, watch, step))
        return results[-1].point

    load = wish.load
    if not wish.is_ramp:
        take(load)
    elif isinstance(load, Closed):
        climb(callers_of_ramp(load.callers), lambda callers: take(Closed(callers=callers)))
    else:
        climb(rates_of_ramp(load.rate), lambda rate: take(replace(load, rate=rate)))
    return results


def _result(wish: Wish, clients: Fleet, look: Look | None, watch: Watch, step: Step) -> Result:
    empty = Result(step=step, measured=Merged(), server=None, notes=())
    faults: list[str] = []
    before = _samples(look, faults)
    measured = clients.measure(step, _watching(watch, empty.load, step))
    after = _samples(look, faults)
    server = None if before is None or after is None else breakdown(before, after)
    notes = [*client_limits(measured, step, wish.target), *faults]
    return Result(step=step, measured=measured, server=server, notes=notes, batch_size=wish.batch_size)


def _samples(look: Look | None, faults: list[str]) -> Samples | None:
    """The server's metrics, or why not: where a server falls under the load, what the client saw is worth the more."""
    if look is None:
        return None
    try:
        return look()
    except LoadError as error:
        faults.append(str(error))
        return None


def _watching(watch: Watch, doing: str, step: Step) -> Callable[[Merged, float], None]:
    return lambda measured, gone: watch(doing, measured, min(gone, step.seconds), step.seconds)


def _most(load: Load) -> int:
    return load.callers if isinstance(load, Closed) else load.max_in_flight
