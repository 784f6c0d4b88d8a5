"""An FPGA programmed through OpenCL, or its emulator: the engine of ``kernels.opencl`` as a device.

Integer segments run on the device, in a process of its own; float32 operators between them run on the host. A
request that the device fails is answered by the CPU, with the same bytes.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from weakref import WeakValueDictionary

from accelserve.kernels.devices.cpu import CpuDevice
from accelserve.kernels.errors import DeviceError, PlanError, UnsupportedNodesError
from accelserve.kernels.ir import Graph
from accelserve.kernels.opencl.compiler.compile import compile_segment
from accelserve.kernels.opencl.compiler.partition import partition
from accelserve.kernels.opencl.engine.configuration import EMULATION, EngineConfiguration
from accelserve.kernels.opencl.engine.manifest import Bitstream, read_bitstream
from accelserve.kernels.opencl.engine.segment import CompiledSegment, Segment
from accelserve.kernels.opencl.engine.source import EnginePath, render
from accelserve.kernels.opencl.errors import BitstreamError, DeviceHeldError, LeaseFolderError
from accelserve.kernels.opencl.options import FpgaOptions, parse_detail
from accelserve.kernels.opencl.runtime.discovery import choose, discover
from accelserve.kernels.opencl.runtime.hybrid import FpgaProgram, Part
from accelserve.kernels.opencl.runtime.lease import Lease, LeasePolicy, acquire, lease_path
from accelserve.kernels.opencl.runtime.messages import SourceProgram, Start
from accelserve.kernels.opencl.runtime.platforms import DeviceKind, OpenClDevice
from accelserve.kernels.opencl.runtime.supervisor import Deadlines, Supervisor
from accelserve.kernels.program import LoadOptions, Lowered, Program

_log = logging.getLogger(__name__)

_BOARD_MACS_PER_SECOND = 1e9
_EMULATED_MACS_PER_SECOND = 2e7
"""A hundredth of what an idle machine reaches: the watchdog must never end a run that is merely slow."""


class _LeftToTheHolderError(Exception):
    """The device is held, and the policy is to run on the CPU then."""


class FpgaDevice:
    """An OpenCL device that runs the engine."""

    def __init__(self, detail: str = "", options: FpgaOptions | None = None) -> None:
        """Name a device; nothing is opened before ``load``.

        Args:
            detail: what follows ``fpga:``; empty for the first board or emulator, ``N`` for the N-th OpenCL device
                of any kind, and options as ``parse_detail`` takes them.
            options: how the device is used, instead of the options in ``detail``.

        Raises:
            DeviceError: ``detail`` means nothing.
        """
        index, written = parse_detail(detail)
        self._name = f"fpga:{index}" if index else "fpga"
        self._options = options or written

    @property
    def name(self) -> str:
        """What ``--device`` calls it."""
        return self._name

    def load(self, lowered: Lowered, options: LoadOptions) -> Program:
        """Compile the integer segments, take the device, and upload the weights.

        Unless the options say ``strict``, a model that the device cannot take runs on the CPU, with one warning. A
        bitstream that must not be used, a lease folder that cannot be, and a device held by another model are errors
        either way (the last unless the policy is CPU).

        Raises:
            UnsupportedNodesError: the host lacks some operators that the engine lacks too.
            BitstreamError, LeaseFolderError, DeviceHeldError: see ``kernels.opencl.errors``.
            DeviceError, PlanError: the device failed or the model does not fit, and ``strict`` is set.
        """
        try:
            return self._load(lowered, options)
        except (BitstreamError, LeaseFolderError):
            raise
        except _LeftToTheHolderError as error:
            reason: Exception = error
        except DeviceHeldError:
            raise
        except (DeviceError, PlanError) as error:
            if self._options.strict:
                raise
            reason = error
        _log.warning("%s runs on the CPU: %s", options.model, reason)
        return CpuDevice().load(lowered, options)

    def _load(self, lowered: Lowered, options: LoadOptions) -> FpgaProgram:
        wanted = self._options
        _check_leading_axes(lowered.graph)
        device = choose(self._name, discover())
        program, configuration = _program_for(device, wanted, options.cache)
        path = wanted.path if isinstance(program, SourceProgram) else program.manifest.path
        _check_path(device, path)
        in_turn = device.kind is not DeviceKind.BOARD
        segments = partition(lowered.graph)
        compiled = tuple(
            compile_segment(s.graph, configuration, path, in_turn=in_turn) for s in segments if s.on_device
        )
        if not compiled:
            raise PlanError(
                "no node of this network is int8, which is all the engine computes; use --device cpu"
            )
        parts = _parts(segments, options)
        lease = self._take(device, options.model)
        start = Start(device, program, path, in_turn, compiled, exchange=-1)
        try:
            deadlines = _deadlines(device, compiled, wanted)
            supervisor = Supervisor(start, lease, deadlines, wanted.faults, wanted.clock)
        except BaseException:
            lease.release()
            raise
        sizes = f"{configuration.vec}x{configuration.lane}x{configuration.px}"
        description = f"fpga {device.name} ({device.kind.value}), {sizes} {path.value}"
        loaded = FpgaProgram(lowered, options, parts, supervisor, compiled, description, CpuDevice())
        _holders[lease.path] = loaded
        return loaded

    def _take(self, device: OpenClDevice, model: str) -> Lease:
        wanted = self._options
        try:
            return acquire(device, model, wanted.lease_folder)
        except DeviceHeldError as error:
            held = error
        ours = _holders.get(lease_path(device, wanted.lease_folder))
        policy = wanted.policy if ours is not None else wanted.others or wanted.policy
        seconds = 0.0
        if policy is LeasePolicy.QUEUE:
            seconds = wanted.queue_timeout_s
            _log.info("%s waits for %s, at most %g s: held by %s", model, held.device, seconds, held.holder)
        elif policy is LeasePolicy.CPU:
            raise _LeftToTheHolderError(str(held)) from held
        elif policy is LeasePolicy.SWAP and ours is not None:
            ours.leave_device(f"swapped out for {model}")
        else:
            raise held
        return acquire(device, model, wanted.lease_folder, seconds)


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


def _check_leading_axes(graph: Graph) -> None:
    for node in graph:
        kind = graph.type_of(node.output)
        if kind.shape[:1] != (1,):
            raise PlanError(
                f"'{node.name}' ({node.op.label}) makes {kind} of one image; the engine and what it exchanges with the "
                "host know a leading axis of 1 only"
            )


def _check_maker(device: OpenClDevice, bitstream: Bitstream) -> None:
    manifest = bitstream.manifest
    board = device.kind is DeviceKind.BOARD
    if manifest.emulated == board:
        made = "the emulator" if manifest.emulated else "a board"
        raise BitstreamError(
            bitstream.folder,
            f"it was built for {made}, and {device.name} is {'' if board else 'not '}a board",
        )
    if not board and manifest.part != device.platform:
        raise BitstreamError(bitstream.folder, f"it was built for {manifest.part}, this is {device.platform}")


def _check_path(device: OpenClDevice, path: EnginePath) -> None:
    if path is EnginePath.CHANNELS and not device.channels:
        raise DeviceError(
            f"{device.line} has no channels between kernels; use the engine's fused path there (path=fused)"
        )


def _parts(segments: Sequence[Segment], options: LoadOptions) -> list[Part]:
    parts: list[Part] = []
    on_device = 0
    lacking: list[tuple[str, str]] = []
    of_a_part = replace(options, network="")  # which names the whole network: its plan is not a part's
    for segment in segments:
        if segment.on_device:
            parts.append(Part(segment, on_device))
            on_device += 1
            continue
        try:
            parts.append(Part(segment, CpuDevice().load(Lowered(segment.graph, {}), of_a_part)))
        except UnsupportedNodesError as error:
            lacking += error.nodes
    if lacking:
        raise UnsupportedNodesError(lacking)
    return parts


def _deadlines(device: OpenClDevice, compiled: Sequence[CompiledSegment], wanted: FpgaOptions) -> Deadlines:
    if wanted.run_deadline_s is not None:
        run = wanted.run_deadline_s
        return Deadlines(start_s=wanted.start_deadline_s, run_s=run, warm_least_s=run)
    board = device.kind is DeviceKind.BOARD
    pace = _BOARD_MACS_PER_SECOND if board else _EMULATED_MACS_PER_SECOND
    run = 10.0 + sum(segment.macs for segment in compiled) / pace
    return Deadlines(start_s=wanted.start_deadline_s, run_s=run, warm_least_s=2.0 if board else 30.0)
