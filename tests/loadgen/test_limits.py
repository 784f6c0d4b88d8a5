"""Whether the client says that it was the limit, and only then."""

from __future__ import annotations

import os

import pytest

from accelserve.loadgen.limits import client_limits
from accelserve.loadgen.plan import Closed, Open, Step, Target
from accelserve.loadgen.recorder import Merged, Recorder, merged
from accelserve.loadgen.senders import OK, Outcome

CLOSED = Step(load=Closed(callers=4), seconds=10, deadline_ms=None, seed=0)
OPEN = Step(load=Open(rate=100, max_in_flight=16), seconds=10, deadline_ms=None, seed=0)
FAR = Target(address="example.org:8500")


def measured(*, lag: float = 0.0, waited: bool = False, cpu_seconds: float = 0.1) -> Merged:
    recorder = Recorder(None)
    for number in range(100):
        intended = number / 10
        free = intended + 0.5 if waited else intended
        sent = free + lag
        recorder.record(intended=intended, free=free, sent=sent, done=sent + 0.02, outcome=Outcome(code=OK))
    return merged([recorder.recorded(began=0, ended=10, cpu_seconds=cpu_seconds)])


def test_a_client_that_keeps_up_says_nothing() -> None:
    assert client_limits(measured(), OPEN, FAR) == []
    assert client_limits(measured(), CLOSED, FAR) == []
    assert client_limits(Merged(), OPEN, FAR) == []


def test_a_process_that_takes_a_core_is_named() -> None:
    (note,) = client_limits(measured(cpu_seconds=9.5), CLOSED, FAR)
    assert note.startswith("the client is a bottleneck: a client process took 9")
    assert "--processes" in note


def test_requests_behind_their_schedule_are_named() -> None:
    (note,) = client_limits(measured(lag=0.004), OPEN, FAR)
    assert note.startswith(
        "the client is a bottleneck: a hundredth of the requests was sent 4.0 ms or more behind"
    )


def test_arrivals_without_a_free_caller_are_the_servers_doing() -> None:
    (note,) = client_limits(measured(waited=True), OPEN, FAR)
    assert note.startswith("100% of the arrivals found all 16 callers waiting")


@pytest.mark.parametrize(
    "address", ["localhost:1", "127.0.0.1:1", "unix:/x", "http://127.0.0.1:1", "[::1]:1"]
)
def test_a_client_beside_the_server_says_what_it_took(address: str) -> None:
    seconds = 2.0 * (os.cpu_count() or 1)  # a fifth of all cores, in ten seconds
    here = client_limits(measured(cpu_seconds=seconds), CLOSED, Target(address=address))
    assert any("the client took 20% of this machine's cores" in note for note in here)
    assert not any(
        "this machine" in note for note in client_limits(measured(cpu_seconds=seconds), CLOSED, FAR)
    )
