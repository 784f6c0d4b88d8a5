"""What the status page shows, as the JSON that it asks for again and again."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from typing import TypeAlias

from accelserve.server.config import ModelConfig, RestConfig
from accelserve.server.core.registry import ModelChoice
from accelserve.server.core.states import StateReport, VersionState
from accelserve.server.dataplane.predictor import Predictor
from accelserve.server.errors import PermissionDeniedError, ServableNotFoundError
from accelserve.server.metrics.buckets import Buckets
from accelserve.server.metrics.server_metrics import UNKNOWN_MODEL, ServerMetrics, Traffic
from accelserve.server.readiness import Readiness

Content: TypeAlias = dict[str, object]

_HALF, _MOST = 0.5, 0.99


class StatusData:
    """Reads everything that knows something; what the caller's key does not open is left out."""

    def __init__(
        self, predictor: Predictor, readiness: Readiness, metrics: ServerMetrics, config: RestConfig
    ) -> None:
        self._registry = predictor.registry
        self._gate = predictor.scheduler.gate
        self._readiness = readiness
        self._metrics = metrics
        self._config = config

    def content(self) -> Content:
        """The server and its models, in the order of the configuration."""
        opened = [model for model in self._registry.models() if self._registry.opens(model.name)]
        traffic = self._metrics.traffic()
        stages = self._metrics.stage_latencies()
        images = self._metrics.images_answered()
        return {
            "server": {
                "version": version("accelserve"),
                "device": self._metrics.device,
                "ready": self._readiness.server(),
                "max_body_bytes": self._config.max_body_bytes,
            },
            "models": [
                {
                    "name": model.name,
                    "versions": self._versions(model),
                    "waiting_images": self._gate.waiting_images(model.name),
                    "images_answered": images.get(model.name, 0),
                    "traffic": _traffic(traffic.get(model.name)),
                    "stages": [
                        {"stage": stage, **_latency(buckets), **_distribution(buckets)}
                        for stage, buckets in stages.get(model.name, {}).items()
                    ],
                }
                for model in opened
            ],
            "unknown": _traffic(traffic.get(UNKNOWN_MODEL)),
        }

    def _versions(self, model: ModelConfig) -> list[Content]:
        labels = self._registry.labels_of(model.name)
        return [
            {
                **self._version(report),
                "labels": [label for label, number in labels.items() if number == report.servable_id.version],
            }
            for report in self._registry.states.of(model.name)
            if report.state is not VersionState.END or report.error is not None
        ]

    def _version(self, report: StateReport) -> Content:
        return {
            "version": report.servable_id.version,
            "state": report.state.name,
            "error": None if report.error is None else str(report.error),
            "serving": self._serving(report) if report.state is VersionState.AVAILABLE else None,
        }

    def _serving(self, report: StateReport) -> Content | None:
        choice = ModelChoice(name=report.servable_id.name, version=report.servable_id.version)
        try:
            with self._registry.acquire(choice) as handle:
                servable = handle.servable
                health = servable.health
                return {
                    "description": servable.description,
                    "memory_bytes": servable.memory_bytes,
                    "health": None if health is None else {**asdict(health), "state": health.state.value},
                }
        except (
            ServableNotFoundError,
            PermissionDeniedError,
        ):  # it went while we looked, or is not the caller's
            return None


def _traffic(traffic: Traffic | None) -> Content | None:
    if traffic is None:
        return None
    return {
        "requests": traffic.answered + sum(traffic.errors.values()),
        "errors": traffic.errors,
        "per_second": traffic.per_second,
        "latency": None if traffic.latency is None else _latency(traffic.latency),
    }


def _latency(buckets: Buckets) -> Content:
    return {
        "requests": buckets.total,
        "mean_seconds": buckets.mean_seconds,
        "p50": asdict(buckets.quantile(_HALF)),
        "p99": asdict(buckets.quantile(_MOST)),
    }


def _distribution(buckets: Buckets) -> Content:
    return {"limits_seconds": buckets.limits_seconds[:-1], "counts": buckets.counts}
