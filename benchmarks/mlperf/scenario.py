"""What LoadGen is to do, and what it says of it: what crosses between the two environments, as JSON."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from typing import Any, Self

MULTI_STREAM_SAMPLES = 8
SERVER_BOUND_MS = 15.0
"""Of ResNet-50 in the Server scenario of MLPerf Inference's data center division."""
OFFICIAL_SECONDS = 600.0
_NANO = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One run of LoadGen.

    Attributes:
        name: of LoadGen's ``TestScenario``.
        seconds: at least.
        expected_qps: samples a second; LoadGen sizes SingleStream's, MultiStream's and Offline's runs by it, and it is the
            rate of Server's arrivals.
        address: of the server, gRPC.
        model: its name there.
        pictures: paths of the photographs.
        descriptors: path of a FileDescriptorSet with TensorFlow Serving's messages.
        folder: for LoadGen's logs.
    """

    name: str
    seconds: float
    expected_qps: float
    address: str
    model: str
    pictures: list[str]
    descriptors: str
    folder: str

    def to_json(self) -> str:
        """The argument of ``system_under_test``."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The argument read."""
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What LoadGen says.

    Attributes:
        valid: by its rules.
        reasons: of those that were not kept, in LoadGen's words.
        latency_ms: percentile -> milliseconds of a query.
        estimate_ms: the percentile that counts, as early stopping estimates it; None where there is none.
        rate: samples a second, of Offline; queries a second that were answered, of Server; None for others.
        queries: that were answered.
        failed: requests that the server answered with an error.
    """

    valid: bool
    reasons: list[str] = field(default_factory=list)
    latency_ms: dict[str, float] = field(default_factory=dict)
    estimate_ms: float | None = None
    rate: float | None = None
    queries: int = 0
    failed: int = 0

    def to_json(self) -> dict[str, Any]:
        """For the results file."""
        return asdict(self)


def verdict_of(detail: str, summary: str, failed: int) -> Verdict:
    """LoadGen's logs read.

    Args:
        detail: ``mlperf_log_detail.txt``, a JSON object a line behind ``:::MLLOG``.
        summary: ``mlperf_log_summary.txt``, for the words of what was not kept.
        failed: requests that the server answered with an error, of which LoadGen knows nothing.
    """
    found: dict[str, Any] = {}
    for line in detail.splitlines():
        if line.startswith(":::MLLOG "):
            entry = json.loads(line.removeprefix(":::MLLOG "))
            found[entry["key"]] = entry["value"]
    latency = {
        match[1]: value / _NANO
        for key, value in found.items()
        if (match := re.fullmatch(r"result_(\d+\.\d+)_percentile_(?:per_query_)?latency_ns", key))
    }
    estimate = next(
        (value for key, value in found.items() if key.startswith("early_stopping_latency_")), None
    )
    rate = found.get("result_samples_per_second", found.get("result_completed_samples_per_sec"))
    reasons = re.findall(r"^ \* (.+)$", summary, re.MULTILINE)
    return Verdict(
        valid=found.get("result_validity") == "VALID" and not failed,
        reasons=[*reasons, *([f"{failed} requests were answered with an error"] if failed else [])],
        latency_ms=latency,
        estimate_ms=estimate / _NANO if estimate else None,
        rate=rate,
        queries=int(found.get("result_query_count", 0)),
        failed=failed,
    )
