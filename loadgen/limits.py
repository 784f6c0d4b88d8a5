"""Whether it was the client that could do no more: then the figures are the client's, not the server's."""

from __future__ import annotations

import os
from collections.abc import Iterator

from accelserve.loadgen.plan import Open, Step, Target
from accelserve.loadgen.recorder import Merged

_BUSY = 0.8  # of a core: one process runs Python on one core at a time
_LAG_MS = 1.0
_LAG_SHARE = 0.1
_WAITED = 0.01
_TAKEN = 0.1
_LOCAL = ("localhost", "127.", "[::1]", "unix:", "unix-abstract:")


def client_limits(measured: Merged, step: Step, target: Target) -> list[str]:
    """Sentences for a person who reads the figures; none if the client kept up.

    Args:
        measured: what came of the step.
        step: what was to be done.
        target: whom was asked.
    """
    return [*_processor(measured, target), *_schedule(measured, step)] if measured.sent else []


def _processor(measured: Merged, target: Target) -> Iterator[str]:
    seconds = max(measured.seconds, 1e-9)
    busiest = max(measured.cpu_seconds, default=0.0) / seconds
    if busiest >= _BUSY:
        yield f"the client is a bottleneck: a client process took {busiest:.0%} of a core; give more --processes"
    host = target.address.split("://", 1)[-1]
    taken = sum(measured.cpu_seconds) / seconds / (os.cpu_count() or 1)
    if taken >= _TAKEN and host.startswith(_LOCAL):
        yield f"the client took {taken:.0%} of this machine's cores, which a server on the same machine lacked"


def _schedule(measured: Merged, step: Step) -> Iterator[str]:
    if not isinstance(step.load, Open):
        return
    lag, median = measured.lag.percentile_ms(99), measured.service.percentile_ms(50)
    if lag > max(_LAG_MS, _LAG_SHARE * median):
        yield (
            f"the client is a bottleneck: a hundredth of the requests was sent {lag:.1f} ms or more behind its schedule; "
            "give more --processes, or a machine of its own"
        )
    waited = measured.waited / measured.sent
    if waited > _WAITED:
        yield (
            f"{waited:.0%} of the arrivals found all {step.load.max_in_flight} callers waiting for answers: the rate is "
            "more than the server answers, or --max_in_flight is too low"
        )
