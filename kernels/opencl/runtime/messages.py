"""The messages between the server's process and the device's process, over a pipe of their own.

The server says Start first, then Run, Profile or ReadBinary; the device answers Ready once, then Finished (in the
order of the runs), Profiled or Binary. Failed may come instead of any answer; after a Failed to Start the process ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from accelserve.kernels.errors import DeviceError
from accelserve.kernels.opencl.engine.manifest import Bitstream
from accelserve.kernels.opencl.engine.segment import CompiledSegment
from accelserve.kernels.opencl.engine.source import EnginePath
from accelserve.kernels.opencl.runtime.platforms import OpenClDevice


@dataclass(frozen=True, slots=True)
class SourceProgram:
    """The engine as OpenCL C.

    Attributes:
        text: the rendered source.
        path: how it is laid out.
        cache: folder for compiled binaries, or None to cache none.
    """

    text: str
    path: EnginePath
    cache: Path | None


@dataclass(frozen=True, slots=True)
class Start:
    """Make the program, take the weights.

    Attributes:
        device: which one, as discovery saw it.
        program: what to run on it.
        path: how the engine is laid out.
        in_turn: whether the channel path's kernels run one after another.
        segments: what to keep on the device.
        exchange: file descriptor of the shared tensors, inherited.
    """

    device: OpenClDevice
    program: SourceProgram | Bitstream
    path: EnginePath
    in_turn: bool
    segments: tuple[CompiledSegment, ...]
    exchange: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The weights are on the device.

    Attributes:
        build_seconds: making the program.
        upload_seconds: sending the weights.
        pinned: whether the shared tensors are locked in memory.
    """

    build_seconds: float
    upload_seconds: float
    pinned: bool


@dataclass(frozen=True, slots=True)
class Run:
    """Run one image of a segment from the shared bytes of a slot."""

    segment: int
    slot: int


@dataclass(frozen=True, slots=True)
class Finished:
    """The oldest run's results are in its slot; ``seconds`` by the device's clock."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Profile:
    """Time every layer of a segment, on the bytes that its slot 0 sent last."""

    segment: int
    runs: int


@dataclass(frozen=True, slots=True)
class Profiled:
    """Seconds of every layer, one row a run."""

    seconds: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class ReadBinary:
    """Give the compiled program."""


@dataclass(frozen=True, slots=True)
class Binary:
    """The compiled program, and the driver that compiled it."""

    content: bytes
    driver: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The device's process could not do what it was asked."""

    error: DeviceError
