"""What is true at the moment of a scrape: versions, memory, what waits. Nothing to keep up to date in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from accelserve.server.core.registry import ModelChoice, ModelRegistry
from accelserve.server.core.states import VersionState
from accelserve.server.dataplane.servable import ImageServable
from accelserve.server.errors import ServableNotFoundError


class StateCollector(Collector):
    """Reads the registry and the queue.

    Args:
        registry: the served models.
        waiting_images: model -> images admitted and not yet answered.
    """

    def __init__(self, registry: ModelRegistry[ImageServable], waiting_images: Callable[[str], int]) -> None:
        self._registry = registry
        self._waiting_images = waiting_images

    def describe(self) -> Iterable[Metric]:
        """The names, without asking anything: a registry may be made before anything is served."""
        return [self._states(), self._memory(), self._waiting()]

    def collect(self) -> Iterable[Metric]:
        """The values now."""
        states, memory, waiting = self._states(), self._memory(), self._waiting()
        for report in self._registry.board.all():
            version = str(report.servable_id.version)
            for state in VersionState:
                states.add_metric(
                    [report.servable_id.name, version, state.name], float(report.state is state)
                )
        for servable_id in self._registry.available():
            used = self._memory_of(ModelChoice(name=servable_id.name, version=servable_id.version))
            if used is not None:
                memory.add_metric([servable_id.name, str(servable_id.version)], used)
        for model in self._registry.models():
            waiting.add_metric([model.name], self._waiting_images(model.name))
        return [states, memory, waiting]

    def _memory_of(self, choice: ModelChoice) -> int | None:
        try:
            with self._registry.acquire(choice) as handle:
                return handle.servable.memory_bytes
        except ServableNotFoundError:  # it went while we looked
            return None

    @staticmethod
    def _states() -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "accelserve_model_version_state",
            "1 for the state that a version is in.",
            labels=["model_name", "version", "state"],
        )

    @staticmethod
    def _memory() -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "accelserve_model_memory_bytes",
            "Packed weights and arena of a loaded version.",
            labels=["model_name", "version"],
        )

    @staticmethod
    def _waiting() -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "accelserve_waiting_images", "Images admitted and not yet answered.", labels=["model_name"]
        )
