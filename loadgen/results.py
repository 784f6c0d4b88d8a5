"""What was measured, as a person and a program read it."""

from __future__ import annotations

import datetime as dt
import math
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accelserve.loadgen.plan import Closed, Form, Pictures, Step, Target
from accelserve.loadgen.ramp import KNEE, Point
from accelserve.loadgen.recorder import Merged, Times
from accelserve.loadgen.server_metrics import Breakdown, Stage

PERCENTILES = (50.0, 90.0, 99.0, 99.9)
WITHIN = 0.99
"""Of the requests: what keeps a deadline."""
FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A step and what came of it.

    Attributes:
        step: what was to be done.
        measured: what the client saw.
        server: what the server measured; None if it was not asked, or does not say.
        notes: where the client was the limit.
        batch_size: pictures a request.
    """

    step: Step
    measured: Merged
    server: Breakdown | None
    notes: Sequence[str]
    batch_size: int = 1

    @property
    def throughput(self) -> float:
        """Answered requests a second."""
        return self._per_second(self.measured.answered)

    @property
    def goodput(self) -> float:
        """Requests a second that were answered within the deadline."""
        return self._per_second(self.measured.good)

    @property
    def point(self) -> Point:
        """As a step of a ramp."""
        return Point(throughput=self.throughput, mean_seconds=self.measured.latency.mean_ms / 1000)

    @property
    def keeps_deadline(self) -> bool:
        """Whether ninety-nine in a hundred of all requests were answered within the deadline."""
        return self.measured.answered > 0 and self.measured.good >= WITHIN * self.measured.sent

    @property
    def load(self) -> str:
        """In words."""
        load = self.step.load
        if isinstance(load, Closed):
            return f"{load.callers} {'caller' if load.callers == 1 else 'callers'}"
        return f"{load.rate:g} a second"

    def _per_second(self, count: int) -> float:
        seconds = self.measured.seconds
        return count / seconds if seconds else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """Everything of one run of the command.

    Attributes:
        target: who was asked.
        pictures: what was sent.
        batch_size: pictures a request.
        processes: of the client.
        results: of every step.
        knee: index of the knee among the results of a ramp; None for other loads, or if nothing was answered.
        is_ramp: whether it was one.
        interrupted: whether it was ended early.
        metrics: where the server's account comes from; empty if it was not asked.
        form: in which the server took its tensors.
    """

    target: Target
    pictures: Pictures
    batch_size: int
    processes: int
    results: Sequence[Result]
    knee: int | None
    is_ramp: bool
    interrupted: bool
    metrics: str
    form: Form = field(default_factory=Form)

    @property
    def protocol(self) -> str:
        """In words."""
        return self.target.protocol + (", tensors in JSON" if self.form.as_json else "")


def most_goodput(results: Sequence[Result]) -> int | None:
    """The index of the step with the most goodput among those that keep the deadline; None if none does."""
    kept = [index for index, result in enumerate(results) if result.keeps_deadline]
    return max(kept, key=lambda index: results[index].goodput, default=None)


def document(measurement: Measurement, version: str) -> dict[str, Any]:
    """As JSON: what was measured on what, and every step. Times are milliseconds, rates a second; null is none.

    Histograms are HdrHistogram's own V2 compressed encoding in base64, of microseconds.
    """
    target = measurement.target
    found: dict[str, Any] = {
        "format": FORMAT,
        "tool": f"accelserve bench {version}",
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "client": {**machine(), "processes": measurement.processes},
        "target": {
            "address": target.address,
            "protocol": measurement.protocol,
            "model": target.model,
            "version": target.version,
            "signature": target.signature,
            "input": target.input_name,
            "pixels": None
            if target.pixels is None
            else {"dtype": target.pixels.dtype, "shape": list(target.pixels.shape)},
        },
        "pictures": {
            "description": measurement.pictures.description,
            "distinct": len(measurement.pictures.files),
            "mean_bytes": round(measurement.pictures.mean_bytes),
            "batch_size": measurement.batch_size,
        },
        "interrupted": measurement.interrupted,
        "metrics": measurement.metrics or None,
        "steps": [_step(result) for result in measurement.results],
    }
    if measurement.is_ramp:
        found["knee"] = {"definition": KNEE, "step": measurement.knee}
        found["most_goodput"] = {"within": WITHIN, "step": most_goodput(measurement.results)}
    return found


def machine() -> dict[str, Any]:
    """What the client ran on."""
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")


def _step(result: Result) -> dict[str, Any]:
    measured, load = result.measured, result.step.load
    is_closed = isinstance(load, Closed)
    return {
        "loop": "closed" if is_closed else "open",
        **({"callers": load.callers} if isinstance(load, Closed) else
           {"rate": load.rate, "max_in_flight": load.max_in_flight}),
        "duration_seconds": result.step.seconds,
        "measured_seconds": _number(measured.seconds),
        "requests": measured.sent,
        "answered": measured.answered,
        "errors": dict(measured.errors),
        "first_error": dict(measured.words),
        "throughput": _number(result.throughput),
        "images_per_second": _number(result.throughput * result.batch_size),
        "deadline_ms": result.step.deadline_ms,
        "goodput": _number(result.goodput),
        "keeps_deadline": None if result.step.deadline_ms is None else result.keeps_deadline,
        "latency_ms": _times(measured.latency),
        "service_ms": _times(measured.service),
        "send_lag_ms": _times(measured.lag),
        "arrivals_without_a_free_caller": measured.waited,
        "client_cpu_seconds": [_number(each) for each in measured.cpu_seconds],
        "server": _server(result.server),
        "notes": list(result.notes),
    }  # fmt: skip


def _times(times: Times) -> dict[str, Any]:
    shown = {f"p{percentile:g}": _number(times.percentile_ms(percentile)) for percentile in PERCENTILES}
    return {
        "min": _number(times.min_ms),
        "mean": _number(times.mean_ms),
        **shown,
        "max": _number(times.max_ms),
        "histogram": times.encoded().decode(),
    }


def _server(breakdown: Breakdown | None) -> Mapping[str, Any] | None:
    if breakdown is None:
        return None
    return {
        "stages_ms": {stage.name: _number(stage.milliseconds) for stage in breakdown.stages},
        "request_ms": _stage_ms(breakdown.whole),
        "requests": max(
            (stage.requests for stage in (*breakdown.stages, breakdown.whole) if stage is not None), default=0
        ),
    }


def _stage_ms(stage: Stage | None) -> float | None:
    return None if stage is None else _number(stage.milliseconds)


def _number(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None
