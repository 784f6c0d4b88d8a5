"""What is true at the moment of a scrape: versions, memory, devices, what waits. Nothing to keep up in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from accelserve.kernels.device_health import DeviceHealth, DeviceState
from accelserve.server.core.registry import ModelChoice, ModelRegistry
from accelserve.server.core.servable import ServableId
from accelserve.server.core.states import VersionState
from accelserve.server.dataplane.servable import ImageServable
from accelserve.server.errors import PermissionDeniedError, ServableNotFoundError


class StateCollector(Collector):
    """Reads the registry and the queue.

    Args:
        registry: the served models.
        waiting_images: model -> images admitted and not yet answered.
        device: label of the metrics about devices.
    """

    def __init__(
        self, registry: ModelRegistry[ImageServable], waiting_images: Callable[[str], int], device: str
    ) -> None:
        self._registry = registry
        self._waiting_images = waiting_images
        self._device = device

    def describe(self) -> Iterable[Metric]:
        """The names, without asking anything: a registry may be made before anything is served."""
        return [_states(), _memory(), _waiting(), *_DeviceFamilies(self._device).all()]

    def collect(self) -> Iterable[Metric]:
        """The values now."""
        states, memory, waiting, devices = _states(), _memory(), _waiting(), _DeviceFamilies(self._device)
        for report in self._registry.states.all():
            version = str(report.servable_id.version)
            for state in VersionState:
                states.add_metric(
                    [report.servable_id.name, version, state.name], float(report.state is state)
                )
        for servable_id in self._registry.available():
            choice = ModelChoice(name=servable_id.name, version=servable_id.version)
            try:
                with self._registry.acquire(choice) as handle:
                    used, health = handle.servable.memory_bytes, handle.servable.health
            except (
                ServableNotFoundError,
                PermissionDeniedError,
            ):  # it went while we looked, or is not the caller's
                continue
            memory.add_metric([servable_id.name, str(servable_id.version)], used)
            if health is not None:
                devices.add(servable_id, health)
        for model in self._registry.models():
            waiting.add_metric([model.name], self._waiting_images(model.name))
        return [states, memory, waiting, *devices.all()]


class _DeviceFamilies:
    """How the devices fare that can be lost."""

    def __init__(self, device: str) -> None:
        labels = ["model_name", "version", "device"]
        self._device = device
        self._state = GaugeMetricFamily(
            "accelserve_device_state",
            "1 for the state that a version's device is in.",
            labels=[*labels, "state"],
        )
        self._images = CounterMetricFamily(
            "accelserve_device_images",
            "Images by who answered: the device, or the CPU in its place.",
            labels=[*labels, "answered_by"],
        )
        self._faults = CounterMetricFamily(
            "accelserve_device_faults", "Hangs, crashes and failed restarts of the device.", labels=labels
        )
        self._restarts = CounterMetricFamily(
            "accelserve_device_restarts", "Successful restarts of the device.", labels=labels
        )
        self._seconds = CounterMetricFamily(
            "accelserve_device_seconds", "Time of all images, by the device's clock.", labels=labels
        )

    def add(self, servable_id: ServableId, health: DeviceHealth) -> None:
        """One version's."""
        labels = [servable_id.name, str(servable_id.version), self._device]
        for state in DeviceState:
            self._state.add_metric([*labels, state.value], float(health.state is state))
        self._images.add_metric([*labels, "device"], health.images)
        self._images.add_metric([*labels, "cpu"], health.fallback_images)
        self._faults.add_metric(labels, health.faults)
        self._restarts.add_metric(labels, health.restarts)
        self._seconds.add_metric(labels, health.device_seconds)

    def all(self) -> list[Metric]:
        """Every family, empty where no device can be lost."""
        return [self._state, self._images, self._faults, self._restarts, self._seconds]


def _states() -> GaugeMetricFamily:
    return GaugeMetricFamily(
        "accelserve_model_version_state",
        "1 for the state that a version is in.",
        labels=["model_name", "version", "state"],
    )


def _memory() -> GaugeMetricFamily:
    return GaugeMetricFamily(
        "accelserve_model_memory_bytes",
        "Packed weights and arena of a loaded version.",
        labels=["model_name", "version"],
    )


def _waiting() -> GaugeMetricFamily:
    return GaugeMetricFamily(
        "accelserve_waiting_images", "Images admitted and not yet answered.", labels=["model_name"]
    )
