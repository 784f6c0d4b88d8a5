"""Measurements as JSON, for pages of them."""

from __future__ import annotations

from typing import Any

from accelserve.loadgen.limits import client_limits
from accelserve.loadgen.plan import Closed, Load, Open, Pictures, Step, Target
from accelserve.loadgen.ramp import knee
from accelserve.loadgen.recorder import Recorder, merged
from accelserve.loadgen.results import Measurement, Result, document
from accelserve.loadgen.senders import OK, Outcome
from accelserve.loadgen.server_metrics import Breakdown, Stage

STAGES = ("decode", "preprocess", "queue", "compute", "postprocess", "serialize")


def result(
    load: Load, *, answers: int = 500, seconds: float = 0.01, words: str = "", server: bool = True
) -> Result:
    step = Step(load=load, seconds=10, deadline_ms=50.0, seed=0)
    recorder = Recorder(step.deadline_ms)
    for number in range(answers):
        begin = number / 50
        done = begin + seconds * (1 + number / answers)
        recorder.record(intended=begin, free=0, sent=begin + 0.001, done=done, outcome=Outcome(code=OK))
    if words:
        outcome = Outcome(code="UNAVAILABLE", words=words)
        recorder.record(intended=0, free=0, sent=0, done=1, outcome=outcome)
    measured = merged([recorder.recorded(began=0, ended=10, cpu_seconds=9.0)])
    stages = [Stage(name=name, milliseconds=1.0 + number, requests=500) for number, name in enumerate(STAGES)]
    whole = Stage(name="request", milliseconds=16.0, requests=500)
    breakdown = Breakdown(stages=stages, whole=whole) if server else None
    notes = client_limits(measured, step, Target(address="localhost:8500"))
    return Result(step=step, measured=measured, server=breakdown, notes=notes)


def ramp(words: str = "", address: str = "localhost:8500") -> dict[str, Any]:
    """Of four steps."""
    results = [
        result(Closed(callers=callers), seconds=0.01 * callers, words=words) for callers in (1, 2, 4, 8)
    ]
    return _document(results, address, is_ramp=True)


def single(load: Load, words: str = "", *, answers: int = 500, server: bool = True) -> dict[str, Any]:
    """Of one step."""
    return _document(
        [result(load, answers=answers, words=words, server=server)], "localhost:8500", is_ramp=False
    )


LOADS: dict[str, Load] = {"closed": Closed(callers=3), "open": Open(rate=50.0, max_in_flight=8)}


def _document(results: list[Result], address: str, *, is_ramp: bool) -> dict[str, Any]:
    measurement = Measurement(
        target=Target(address=address, model="<b>model</b>"),
        pictures=Pictures(files=[b"a"], order=[0], description="one & only"),
        batch_size=1,
        processes=1,
        results=results,
        knee=knee([each.point for each in results]) if is_ramp else None,
        is_ramp=is_ramp,
        interrupted=False,
        metrics="http://localhost/metrics",
    )
    return document(measurement, "0")
