"""An FPGA programmed through OpenCL, or its emulator: the engine of ``kernels.opencl`` as a device.

Integer segments run on the device, in a process of its own; float32 operators between them run on the host. A
request that the device fails is answered by the CPU, with the same bytes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from weakref import WeakValueDictionary

import numpy as np

from accelserve.kernels.devices.base import Device, LoadOptions, Lowered, Program, StepProfile
from accelserve.kernels.devices.feeds import checked_batch
from accelserve.kernels.errors import DeviceError, UnsupportedNodesError
from accelserve.kernels.ir import Array, TensorType
from accelserve.kernels.opencl.compile import compile_segment
from accelserve.kernels.opencl.configuration import EMULATION, EngineConfiguration
from accelserve.kernels.opencl.discovery import choose, discover
from accelserve.kernels.opencl.errors import BitstreamError, DeviceHeldError
from accelserve.kernels.opencl.lease import Lease, LeasePolicy, acquire, default_lease_folder, lease_path
from accelserve.kernels.opencl.manifest import Bitstream, read_bitstream
from accelserve.kernels.opencl.messages import SourceProgram, Start
from accelserve.kernels.opencl.partition import Segment, partition
from accelserve.kernels.opencl.platforms import DeviceKind, OpenClDevice
from accelserve.kernels.opencl.segment import CompiledSegment
from accelserve.kernels.opencl.source import EnginePath, render
from accelserve.kernels.opencl.supervisor import Deadlines, DeviceHealth, FaultPolicy, Supervisor

_log = logging.getLogger(__name__)

_BOARD_MACS_PER_SECOND = 1e9
_EMULATED_MACS_PER_SECOND = 2e7
"""A hundredth of what an idle machine reaches: the watchdog must never end a run that is merely slow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FpgaOptions:
    """How the device is used.

    Attributes:
        bitstream: a bitstream's folder or file; None compiles the source, which boards cannot.
        configuration: constants for compiling the source; None takes the emulator's.
        path: layout for compiling the source.
        policy: what to do when another model has the device.
        queue_timeout_s: how long QUEUE waits.
        lease_folder: where the device's lock is.
        model: how other loaders are told who holds the device.
        run_deadline_s: for one image; None derives it from the network's size.
        start_deadline_s: for building the program and uploading the weights.
        faults: when a faulty device is marked down, and when it is tried again.
        clock: seconds; decides when a device that is down is tried again.
    """

    bitstream: Path | None = None
    configuration: EngineConfiguration | None = None
    path: EnginePath = EnginePath.FUSED
    policy: LeasePolicy = LeasePolicy.REFUSE
    queue_timeout_s: float = 60.0
    lease_folder: Path = field(default_factory=default_lease_folder)
    model: str = "a model"
    run_deadline_s: float | None = None
    start_deadline_s: float = 300.0
    faults: FaultPolicy = field(default_factory=FaultPolicy)
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True)
class _Part:
    """A segment and who runs it: an index among the device's segments, or a host program."""

    segment: Segment
    runner: int | Program


class FpgaDevice:
    """An OpenCL device that runs the engine."""

    def __init__(self, detail: str = "", options: FpgaOptions | None = None) -> None:
        """Name a device; nothing is opened before ``load``.

        Args:
            detail: empty for the first board or emulator, ``N`` for the N-th OpenCL device of any kind.
            options: how it is used.
        """
        self._selector = f"fpga:{detail}" if detail else "fpga"
        self._options = options or FpgaOptions()

    @property
    def name(self) -> str:
        """What ``--device`` calls it."""
        return self._selector

    def load(self, lowered: Lowered, options: LoadOptions) -> FpgaProgram:
        """Compile the integer segments, take the device, and upload the weights.

        Raises:
            UnsupportedNodesError: no node of the network runs on the engine, or the host lacks some.
            PlanError: a layer does not fit the engine's constants.
            NoDeviceError, DeviceHeldError, BitstreamError, BuildError, DeviceMemoryError, DeviceHungError,
            DeviceLostError: see ``kernels.opencl.errors``; all are DeviceError.
        """
        wanted = self._options
        device = choose(self._selector, discover())
        program, configuration = _program_for(device, wanted, options.cache)
        path = wanted.path if isinstance(program, SourceProgram) else program.manifest.path
        _check_path(device, path)
        in_turn = device.kind is not DeviceKind.BOARD
        segments = partition(lowered.graph)
        compiled = tuple(
            compile_segment(s.graph, configuration, path, in_turn=in_turn) for s in segments if s.on_device
        )
        if not compiled:
            raise UnsupportedNodesError([(node.name, node.op.label) for node in lowered.graph])
        parts = _parts(segments, options)
        lease = self._take(device)
        start = Start(device, program, path, in_turn, compiled, exchange=-1)
        try:
            supervisor = Supervisor(
                start, lease, _deadlines(device, compiled, wanted), wanted.faults, wanted.clock
            )
        except BaseException:
            lease.release()
            raise
        description = f"fpga {device.name} ({device.kind.value}), {_sizes(configuration)} {path.value}"
        loaded = FpgaProgram(lowered, options, parts, supervisor, compiled, description)
        _holders[lease.path] = loaded
        return loaded

    def _take(self, device: OpenClDevice) -> Lease:
        wanted = self._options
        wait = wanted.queue_timeout_s if wanted.policy is LeasePolicy.QUEUE else 0.0
        try:
            return acquire(device, wanted.model, wanted.lease_folder, wait)
        except DeviceHeldError:
            holder = _holders.get(lease_path(device, wanted.lease_folder))
            if wanted.policy is not LeasePolicy.SWAP or holder is None:
                raise
            holder.leave_device(f"swapped out for {wanted.model}")
        return acquire(device, wanted.model, wanted.lease_folder)


class FpgaProgram:
    """A network on the device; see ``Program``. Thread-safe: one batch at a time."""

    def __init__(
        self,
        lowered: Lowered,
        options: LoadOptions,
        parts: Sequence[_Part],
        supervisor: Supervisor,
        compiled: Sequence[CompiledSegment],
        description: str,
    ) -> None:
        self._lowered, self._options, self._parts = lowered, options, tuple(parts)
        self._supervisor, self._compiled, self._description = supervisor, tuple(compiled), description
        self._fallback: Program | None = None
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
                except DeviceError as error:
                    _log.warning("%s; the CPU answers in its place", error)
                else:
                    self._supervisor.count_images(count, on_device=True)
                    return results
            results = self._on_cpu().run(inputs)
            self._supervisor.count_images(count, on_device=False)
            return results

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

    def close(self) -> None:
        """Give the memory and the device back."""
        with self._lock:
            self._closed = True
            self._supervisor.close("closed")
            for program in (self._fallback, *(part.runner for part in self._parts)):
                if program is not None and not isinstance(program, int):
                    program.close()

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

    def _run_part(self, part: _Part, images: Sequence[Mapping[str, Array]]) -> Sequence[dict[str, Array]]:
        needed = part.segment.graph.inputs
        if isinstance(part.runner, int):
            return self._supervisor.run(part.runner, [{v: image[v] for v in needed} for image in images])
        batch = part.runner.run({v: np.concatenate([image[v] for image in images]) for v in needed})
        return [{value: array[i : i + 1] for value, array in batch.items()} for i in range(len(images))]

    def _profile_part(
        self, part: _Part, images: Sequence[Mapping[str, Array]], runs: int
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
            self._fallback = _host_device().load(self._lowered, self._options)
        return self._fallback


_holders: WeakValueDictionary[Path, FpgaProgram] = WeakValueDictionary()
"""Lock -> the program of this process that has the device; SWAP looks here."""


def _program_for(
    device: OpenClDevice, wanted: FpgaOptions, cache: Path | None
) -> tuple[SourceProgram | Bitstream, EngineConfiguration]:
    if wanted.bitstream is not None:
        bitstream = read_bitstream(wanted.bitstream)
        _check_maker(device, bitstream)
        return bitstream, bitstream.manifest.configuration
    if not device.compiler or device.kind is DeviceKind.BOARD:
        raise DeviceError(
            f"{device.line} takes a bitstream and none is given; build one with: accelserve fpga build"
        )
    configuration = wanted.configuration or EMULATION
    return SourceProgram(render(configuration, wanted.path), wanted.path, cache), configuration


def _check_maker(device: OpenClDevice, bitstream: Bitstream) -> None:
    manifest = bitstream.manifest
    emulated = device.kind is not DeviceKind.BOARD
    if manifest.emulated != emulated:
        made, given = ("the emulator", "a board") if manifest.emulated else ("a board", "no board")
        raise BitstreamError(bitstream.folder, f"it was built for {made}, and {device.name} is {given}")
    if emulated and manifest.part != device.platform:
        raise BitstreamError(bitstream.folder, f"it was built for {manifest.part}, this is {device.platform}")


def _check_path(device: OpenClDevice, path: EnginePath) -> None:
    if path is EnginePath.CHANNELS and not device.channels:
        raise DeviceError(f"{device.line} has no channels between kernels; use the engine's fused path there")


def _parts(segments: Sequence[Segment], options: LoadOptions) -> list[_Part]:
    parts: list[_Part] = []
    on_device = 0
    for segment in segments:
        if segment.on_device:
            parts.append(_Part(segment, on_device))
            on_device += 1
        else:
            parts.append(_Part(segment, _host_device().load(Lowered(segment.graph, {}), options)))
    return parts


def _host_device() -> Device:
    """Where float32 operators and fallbacks run."""
    from accelserve.kernels.devices.reference import ReferenceDevice

    return ReferenceDevice()


def _deadlines(device: OpenClDevice, compiled: Sequence[CompiledSegment], wanted: FpgaOptions) -> Deadlines:
    if wanted.run_deadline_s is not None:
        run = wanted.run_deadline_s
        return Deadlines(start_s=wanted.start_deadline_s, run_s=run, warm_least_s=run)
    board = device.kind is DeviceKind.BOARD
    pace = _BOARD_MACS_PER_SECOND if board else _EMULATED_MACS_PER_SECOND
    run = 10.0 + sum(segment.macs for segment in compiled) / pace
    return Deadlines(start_s=wanted.start_deadline_s, run_s=run, warm_least_s=2.0 if board else 30.0)


def _sizes(configuration: EngineConfiguration) -> str:
    return f"{configuration.vec}x{configuration.lane}x{configuration.px}"
