"""A network whose integer segments run on the engine and whose other nodes run on the host."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from accelserve.kernels.device_health import DeviceHealth, DeviceState
from accelserve.kernels.errors import DeviceError
from accelserve.kernels.ir import Array, TensorType
from accelserve.kernels.opencl.engine.segment import CompiledSegment, Segment
from accelserve.kernels.opencl.runtime.supervisor import Supervisor
from accelserve.kernels.program import Device, LoadOptions, Lowered, Program, StepProfile, checked_batch

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """A segment and what runs it: an index among the device's segments, or a host program."""

    segment: Segment
    runner: int | Program


class FpgaProgram:
    """A network on the device; see ``Program``. Thread-safe: one batch at a time."""

    def __init__(
        self,
        lowered: Lowered,
        options: LoadOptions,
        parts: Sequence[Part],
        supervisor: Supervisor,
        compiled: Sequence[CompiledSegment],
        description: str,
        host: Device,
    ) -> None:
        """Take what was loaded.

        Args:
            lowered: the whole network.
            options: as they were given for it.
            parts: the segments in order, and what runs each.
            supervisor: of the device.
            compiled: the device's segments.
            description: for the log.
            host: where images run while the device is not up.
        """
        self._lowered, self._options, self._parts = lowered, options, tuple(parts)
        self._supervisor, self._compiled, self._description = supervisor, tuple(compiled), description
        self._host = host
        self._fallback: Program | None = None
        self._said = DeviceState.UP
        self._lock = threading.Lock()
        self._closed = False

    @property
    def inputs(self) -> Mapping[str, TensorType]:
        """Name -> type of each input, for one image."""
        return self._lowered.graph.inputs

    @property
    def outputs(self) -> Mapping[str, TensorType]:
        """Name -> type of each output, for one image."""
        graph = self._lowered.graph
        return {public: graph.type_of(value) for public, value in graph.outputs.items()}

    @property
    def description(self) -> str:
        """Device, kind and engine."""
        return self._description

    @property
    def memory_bytes(self) -> int:
        """Bytes on the device."""
        return sum(segment.memory_bytes for segment in self._compiled)

    @property
    def health(self) -> DeviceHealth:
        """State and counters of the device, for health checks and metrics."""
        return self._supervisor.health

    @property
    def pid(self) -> int:
        """The device's process."""
        return self._supervisor.process.pid

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Results for a batch; see ``Program.run``. A device that fails is answered for by the CPU."""
        count = checked_batch(self.inputs, inputs)
        with self._lock:
            if self._closed:
                raise DeviceError("this program is closed; load the model again")
            if self._supervisor.ready():
                try:
                    results = self._on_device(inputs, count)
                except DeviceError:
                    self._say_change()
                else:
                    self._say_change()
                    self._supervisor.count_images(count, on_device=True)
                    return results
            results = self._on_cpu().run(inputs)
            self._supervisor.count_images(count, on_device=False)
            return results

    def peak_macs_per_second(self) -> None:
        """Nothing is claimed: an emulator has no peak, and a board's is the estimate's business."""

    def profile(self, inputs: Mapping[str, Array], runs: int) -> Sequence[StepProfile]:
        """Median time of every step over ``runs`` runs of the first image, by the device's clock."""
        checked_batch(self.inputs, inputs)
        first = {name: array[:1] for name, array in inputs.items()}
        with self._lock:
            if self._closed:
                raise DeviceError("this program is closed; load the model again")
            if not self._supervisor.ready():
                return self._on_cpu().profile(first, runs)
            steps: list[StepProfile] = []
            images = [first]
            for part in self._parts:
                made = self._run_part(part, images)
                steps += self._profile_part(part, images, runs)
                images = [{**image, **more} for image, more in zip(images, made, strict=True)]
            return steps

    def leave_device(self, reason: str) -> None:
        """Give the device back and run on the CPU from now on."""
        with self._lock:
            self._supervisor.close(reason)
            self._say_change()

    def close(self) -> None:
        """Give the memory and the device back."""
        with self._lock:
            self._closed = True
            self._supervisor.close("closed")
            for program in (self._fallback, *(part.runner for part in self._parts)):
                if program is not None and not isinstance(program, int):
                    program.close()

    def _say_change(self) -> None:
        """One line in the log for each change of state, however many requests meet it."""
        health = self._supervisor.health
        if health.state is self._said:
            return
        self._said = health.state
        if health.state is DeviceState.UP:
            _log.info("%s: %s is up again", self._options.model, self._description)
        else:
            _log.warning(
                "%s: %s is %s: %s; the CPU answers in its place",
                self._options.model,
                self._description,
                health.state.value,
                health.last_error,
            )

    def _on_device(self, inputs: Mapping[str, Array], count: int) -> dict[str, Array]:
        images: list[dict[str, Array]] = [
            {name: array[i : i + 1] for name, array in inputs.items()} for i in range(count)
        ]
        for part in self._parts:
            made = self._run_part(part, images)
            images = [{**image, **more} for image, more in zip(images, made, strict=True)]
        constants = self._lowered.graph.constants
        return {
            public: np.concatenate([image.get(value, constants.get(value)) for image in images])
            for public, value in self._lowered.graph.outputs.items()
        }

    def _run_part(self, part: Part, images: Sequence[Mapping[str, Array]]) -> Sequence[dict[str, Array]]:
        needed = part.segment.graph.inputs
        if isinstance(part.runner, int):
            return self._supervisor.run(part.runner, [{v: image[v] for v in needed} for image in images])
        batch = part.runner.run({v: np.concatenate([image[v] for image in images]) for v in needed})
        return [{value: array[i : i + 1] for value, array in batch.items()} for i in range(len(images))]

    def _profile_part(
        self, part: Part, images: Sequence[Mapping[str, Array]], runs: int
    ) -> Sequence[StepProfile]:
        if not isinstance(part.runner, int):
            return part.runner.profile({v: images[0][v] for v in part.segment.graph.inputs}, runs)
        rows = self._supervisor.profile(part.runner, runs)
        layers = self._compiled[part.runner].layers
        return [
            StepProfile(layer.name, f"{layer.operator} engine", layer.shape, layer.macs, median(seconds))
            for layer, seconds in zip(layers, zip(*rows, strict=True), strict=True)
        ]

    def _on_cpu(self) -> Program:
        if self._fallback is None:
            self._fallback = self._host.load(self._lowered, self._options)
        return self._fallback
