"""Counters and histograms of a running server."""

from __future__ import annotations

from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from time import perf_counter

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

from accelserve.server.core.registry import ModelRegistry
from accelserve.server.dataplane.predictor import SignatureResult, StageSeconds
from accelserve.server.dataplane.servable import ImageServable
from accelserve.server.metrics.buckets import Buckets, by_model
from accelserve.server.metrics.exposition import page
from accelserve.server.metrics.ledger import Ledger
from accelserve.server.metrics.recent import RecentCounts
from accelserve.server.metrics.state import StateCollector

# Whatever a request asks for that is not configured shares this one name: callers must not be able to grow the page.
UNKNOWN_MODEL = "(unknown)"

_REQUESTS = ":tensorflow:serving:request_count"
_OK = "OK"
# In the order in which a request passes them.
_DATA_PLANE = ("decode", "preprocess", "queue", "compute", "postprocess")
STAGES = (*_DATA_PLANE, "serialize")

# Of the call that this context works on: model and device that answered it, and when, until its answer is bytes.
_UNSERIALIZED: ContextVar[tuple[str, str, float] | None] = ContextVar("unserialized", default=None)


def exponential(scale: float, growth: float, count: int) -> tuple[float, ...]:
    """Limits of ``count`` buckets, as TensorFlow's ``Buckets::Exponential``; six digits, as it prints them."""
    return tuple(float(f"{scale * growth**power:.6g}") for power in range(count))


# TensorFlow Serving's own limits, in microseconds: up to about 20 minutes, and up to about a second.
_LATENCY_US = exponential(10, 1.8, 33)
_QUEUING_US = exponential(100, 1.2, 52)
_STAGE_SECONDS = exponential(50e-6, 2, 20)
_BATCHES = exponential(1, 2, 11)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """The requests that meant one model, of whatever API and entrypoint.

    Attributes:
        answered: those that succeeded, since the start.
        errors: status -> requests, of those that did not.
        per_second: both, during the last minute.
        latency: from the parsed request to the answer; None before the first one.
    """

    answered: int
    errors: Mapping[str, int]
    per_second: float
    latency: Buckets | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Series:
    """What the answers of one model on one device are counted in; stages by their names."""

    runtime: Histogram
    queuing: Histogram
    stages: Mapping[str, Histogram]
    images: Counter
    batches: Histogram


class ServerMetrics:
    """Thread-safe. One per server, with a registry of its own, so that servers in one process do not mix.

    Args:
        registry: the served models.
        waiting_images: model -> images admitted and not yet answered.
        device: as ``--device`` names it, for what is known before any answer. Metrics of answers carry what computed
            them (``cpu amx``), which is the ``runtime`` of TensorFlow Serving's.
        version: of the server.
    """

    def __init__(
        self,
        registry: ModelRegistry[ImageServable],
        waiting_images: Callable[[str], int],
        device: str,
        version: str,
    ) -> None:
        self._served = registry
        self.device = device
        self._page = CollectorRegistry()
        self._recent = RecentCounts()
        self._ledger = Ledger()
        self._series: dict[tuple[str, str], _Series] = {}
        self._add_tensorflow_serving()
        self._add_own(version)
        self._page.register(StateCollector(registry, waiting_images, device))
        ProcessCollector(registry=self._page)
        PlatformCollector(registry=self._page)

    def announce(self, model: str, device: str) -> None:
        """Put a model's series on the page, at zero: a scrape sees the first request as a step, not as a new series.

        And that request does not wait for them to be made, which takes over a millisecond.

        Args:
            model: that will answer Predict.
            device: what will compute, as its replies will say.
        """
        self._requests.labels(model, _OK)
        self._request_latency.labels(model, "Predict", "GRPC")
        self._series_of(model, device)

    def count_request(self, *, model: str, api: str, entrypoint: str, status: str, seconds: float) -> None:
        """One request was answered or refused.

        Args:
            model: as the request names it; may be empty.
            api: ``Predict``, ``Classify``, ...
            entrypoint: ``GRPC`` or ``REST``.
            status: name of the status code, ``OK``, ``INVALID_ARGUMENT``, ...
            seconds: from the parsed request to the answer.
        """
        name = self._label(model)
        self._recent.count(name)

        def write() -> None:
            self._requests.labels(name, status).inc()
            self._request_latency.labels(name, api, entrypoint).observe(seconds * 1e6)

        self._ledger.enter(write)

    def count_examples(self, model: str, examples: int) -> None:
        """A Classify or Regress request held so many examples."""
        name = self._label(model)
        self._examples.labels(name).observe(examples)
        self._examples_total.labels(name).inc(examples)

    def record_result(self, result: SignatureResult) -> None:
        """The data plane answered a request, of whatever API, on the thread that makes a message of it."""
        self._ledger.enter(
            partial(
                self._write_result,
                result.servable_id.name,
                result.device,
                result.stages,
                result.images,
                result.batch_images,
            )
        )
        _UNSERIALIZED.set((result.servable_id.name, result.device, perf_counter()))

    def record_serialized(self) -> None:
        """What the data plane answered last in this context is the bytes of an answer now; once, if anything was."""
        answered = _UNSERIALIZED.get()
        if answered is None:
            return
        _UNSERIALIZED.set(None)
        name, device, begin = answered
        self._ledger.enter(partial(self._write_serialized, name, device, perf_counter() - begin))

    def _write_serialized(self, name: str, device: str, seconds: float) -> None:
        self._series_of(name, device).stages["serialize"].observe(seconds)

    def _write_result(
        self, name: str, device: str, stages: StageSeconds, images: int, batch_images: int
    ) -> None:
        series = self._series_of(name, device)
        series.runtime.observe(stages.compute * 1e6)
        series.queuing.observe(stages.queue * 1e6)
        for stage in _DATA_PLANE:
            series.stages[stage].observe(getattr(stages, stage))
        series.images.inc(images)
        series.batches.observe(batch_images)

    def _series_of(self, model: str, device: str) -> _Series:
        """What answers count in; looking a label up takes longer than counting."""
        found = self._series.get((model, device))
        if found is None:
            found = self._series[model, device] = _Series(
                runtime=self._runtime_latency.labels(model, "Predict", device),
                queuing=self._queuing_latency.labels(model),
                stages={name: stage.labels(model, device) for name, stage in self._stages.items()},
                images=self._images.labels(model, device),
                batches=self._batches.labels(model, device),
            )
        return found

    def page(self) -> str:
        """Everything, for Prometheus."""
        self._ledger.settle()
        return page(self._page, {_REQUESTS})

    def traffic(self) -> dict[str, Traffic]:
        """By model; those that mean none that is served are under ``UNKNOWN_MODEL``."""
        self._ledger.settle()
        statuses: defaultdict[str, Tally[str]] = defaultdict(Tally)
        (family,) = self._requests.collect()
        for sample in family.samples:
            if sample.name.endswith("_total"):
                statuses[sample.labels["model_name"]][sample.labels["status"]] += int(sample.value)
        latencies = by_model(self._request_latency, microseconds=True)
        return {
            model: Traffic(
                answered=counts.pop(_OK, 0),
                errors=dict(counts.most_common()),
                per_second=self._recent.per_second(model),
                latency=latencies.get(model),
            )
            for model, counts in statuses.items()
        }

    def images_answered(self) -> dict[str, int]:
        """Model -> images since the start."""
        self._ledger.settle()
        images: Tally[str] = Tally()
        (family,) = self._images.collect()
        for sample in family.samples:
            if sample.name.endswith("_total"):
                images[sample.labels["model_name"]] += int(sample.value)
        return images

    def stage_latencies(self) -> dict[str, dict[str, Buckets]]:
        """Model -> stage, in their order -> how long it took; no model before its first answer."""
        self._ledger.settle()
        found: defaultdict[str, dict[str, Buckets]] = defaultdict(dict)
        for stage in STAGES:
            for model, buckets in by_model(self._stages[stage]).items():
                found[model][stage] = buckets
        return found

    def _label(self, model: str) -> str:
        names = self._served.names()
        if not model and len(names) == 1:
            return next(iter(names))
        wanted = model or "default"
        return wanted if wanted in names else UNKNOWN_MODEL

    def _add_tensorflow_serving(self) -> None:
        page = self._page
        self._requests = Counter(
            _REQUESTS, "The total number of requests.", ["model_name", "status"], registry=page
        )
        self._request_latency = Histogram(
            ":tensorflow:serving:request_latency",
            "Distribution of wall time (in microseconds) for requests.",
            ["model_name", "API", "entrypoint"],
            buckets=_LATENCY_US,
            registry=page,
        )
        self._runtime_latency = Histogram(
            ":tensorflow:serving:runtime_latency",
            "Distribution of wall time (in microseconds) on the device.",
            ["model_name", "API", "runtime"],
            buckets=_LATENCY_US,
            registry=page,
        )
        self._queuing_latency = Histogram(
            ":tensorflow:serving:batching_session:queuing_latency",
            "Distribution of wall time spent (in microseconds) in queuing",
            ["thread_pool_name"],
            buckets=_QUEUING_US,
            registry=page,
        )
        self._examples = Histogram(
            ":tensorflow:serving:request_example_counts",
            "The number of tensorflow.Examples per request.",
            ["model"],
            buckets=exponential(1, 2, 15),
            registry=page,
        )
        self._examples_total = Counter(
            ":tensorflow:serving:request_example_count_total",
            "The total number of tensorflow.Examples.",
            ["model"],
            registry=page,
        )

    def _add_own(self, version: str) -> None:
        page = self._page
        self._stages: Mapping[str, Histogram] = {
            stage: Histogram(
                f"accelserve_{stage}_seconds",
                sentence,
                ["model_name", "device"],
                buckets=_STAGE_SECONDS,
                registry=page,
            )
            for stage, sentence in (
                ("queue", "From the hand-over of a request's pixels to its first batch."),
                ("decode", "Decoding the pictures of a request, waiting for a slot included."),
                ("preprocess", "Resizing, cropping, normalizing and quantizing the pictures of a request."),
                ("compute", "Batches on the device that held pictures of a request."),
                ("postprocess", "From the device's results to a request's outputs."),
                ("serialize", "From a request's outputs to the bytes of its answer."),
            )
        }
        self._images = Counter(
            "accelserve_images", "Images answered.", ["model_name", "device"], registry=page
        )
        self._batches = Histogram(
            "accelserve_batch_images",
            "Images in the largest batch that served a request.",
            ["model_name", "device"],
            buckets=_BATCHES,
            registry=page,
        )
        info = Gauge("accelserve_info", "Always 1.", ["version", "device"], registry=page)
        info.labels(version, self.device).set(1)
