"""What a lowered graph, a device and a program are.

A device is found by the entry point group ``accelserve.devices``: one file in ``devices`` and one line in pyproject.toml.
The conformance suite runs every operator on every device found and compares with the reference bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from accelserve.kernels.errors import DeviceError, PlanError
from accelserve.kernels.ir import Array, Graph, QuantParams, TensorType


@dataclass(frozen=True, slots=True)
class Lowered:
    """A graph of integer operators (and float32 ones where int8 cannot go), ready for any device.

    Attributes:
        graph: for one image. The first axis of every input and output counts images, so that it is of size 1 here;
            programs put the results of a batch's images side by side along it. Between them a leading axis may be
            longer. Image tensors are NHWC.
        input_quantization: input name -> how its uint8 elements stand for reals; an input that the network reads
            as float32 is absent.

    Raises:
        PlanError: the first axis of an input or output is no batch of one image.
    """

    graph: Graph
    input_quantization: Mapping[str, QuantParams]

    def __post_init__(self) -> None:
        outputs = {public: self.graph.type_of(value) for public, value in self.graph.outputs.items()}
        for what, types in (("input", self.graph.inputs), ("output", outputs)):
            for name, kind in types.items():
                if kind.shape[:1] != (1,):
                    raise PlanError(
                        f"{what} '{name}' is {kind} for one image; its first axis must be the batch, of size 1"
                    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """How a program is to be made.

    Attributes:
        threads: workers that one image may use; 0 takes every core this process may run on.
        cache: folder for packed weights and compiled code, or None to cache nothing.
        model: what messages and other loaders of the same device are told is being loaded.
        network: names the lowered graph: equal texts, equal graphs. With it a device that caches plans finds the plan
            without the graph; empty caches none.
    """

    threads: int = 0
    cache: Path | None = None
    model: str = "a model"
    network: str = ""

    def __post_init__(self) -> None:
        if self.threads < 0:
            raise DeviceError(f"threads is {self.threads}; expected a number of workers, or 0 for every core")


@dataclass(frozen=True, slots=True)
class StepProfile:
    """Time of one step of a program, summed over one image.

    Attributes:
        name: the node, or the nodes fused into it.
        operator: what runs, with its tile or algorithm.
        shape: of the result.
        macs: multiply-accumulates of the definition, 0 where there are none.
        seconds: elapsed, from the first worker's start to the last one's end.
        executed_macs: that the executed multiply instructions have room for: padding included, and without what an algorithm
            saves; None where the device does not tell them from ``macs``.
    """

    name: str
    operator: str
    shape: tuple[int, ...]
    macs: int
    seconds: float
    executed_macs: int | None = None


def share_of_peak(profile: Sequence[StepProfile], peak_macs_per_second: float) -> float:
    """Of the steps that multiply: what they executed a second together by the peak, 0 to 1; 0 if there is none."""
    macs = sum(each.macs if each.executed_macs is None else each.executed_macs for each in profile)
    seconds = sum(each.seconds for each in profile if each.macs > 0)
    return macs / seconds / peak_macs_per_second if seconds > 0 else 0.0


@runtime_checkable
class Program(Protocol):
    """A network, loaded on a device. Calls of ``run`` may come from several threads; the program orders them."""

    @property
    def inputs(self) -> Mapping[str, TensorType]:
        """Name -> type of each input, for one image."""

    @property
    def outputs(self) -> Mapping[str, TensorType]:
        """Name -> type of each output, for one image."""

    @property
    def description(self) -> str:
        """Device, instruction set or part, and threads, for the log: ``cpu avx512vnni, 2 threads``."""

    @property
    def memory_bytes(self) -> int:
        """Bytes of packed weights and of the arena."""

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Results by output name, for a batch.

        Args:
            inputs: by name, each [N, ...] of the input's dtype; N is the same for all, 1 or more.

        Returns:
            Fresh arrays [N, ...]; the same bytes whatever N, the threads, or the instruction set.

        Raises:
            DeviceError: the device failed; the program stays usable unless the message says otherwise.
            ValueError: an input is missing, unknown, or of another dtype or shape.
        """

    def profile(self, inputs: Mapping[str, Array], runs: int) -> Sequence[StepProfile]:
        """Median time of every step over ``runs`` runs of the first image."""

    def peak_macs_per_second(self) -> float | None:
        """What the device can multiply at most with what this program uses of it, measured; None if it cannot tell."""

    def close(self) -> None:
        """Give the memory and the device back. Later calls of ``run`` raise DeviceError; a second close does nothing."""


@runtime_checkable
class WorksSideBySide(Protocol):
    """A program whose workers take one image each, so that a batch of more images than workers gains nothing."""

    @property
    def side_by_side(self) -> int:
        """Images that it works on at once."""


@runtime_checkable
class Device(Protocol):
    """Where programs run."""

    @property
    def name(self) -> str:
        """What ``--device`` calls it: ``cpu``, ``fpga:0``, ``reference``."""

    def load(self, lowered: Lowered, options: LoadOptions) -> Program:
        """Compile a lowered graph for this device.

        Raises:
            UnsupportedNodesError: this device lacks some operators.
            DeviceError: the device is missing, in use, or failed.
        """


@dataclass(frozen=True, slots=True)
class CachedProgram:
    """A program that was loaded from the cache, without its graph.

    Attributes:
        program: as ``Device.load`` gives it.
        input_quantization: as the graph's ``Lowered`` has it.
    """

    program: Program
    input_quantization: Mapping[str, QuantParams]


@runtime_checkable
class CachesPlans(Protocol):
    """A device that caches what it compiled, so that a later process need not see the network at all."""

    @property
    def caches_plans(self) -> bool:
        """Whether it does, on this machine."""

    def load_cached(self, options: LoadOptions) -> CachedProgram | None:
        """Load what ``load`` cached under ``options.network``; None if that is not there, or not whole.

        Raises:
            DeviceError: the device is missing, in use, or failed.
        """


def checked_batch(expected: Mapping[str, TensorType], inputs: Mapping[str, Array]) -> int:
    """Number of images in a batch.

    Args:
        expected: name -> type of each input for one image (leading dimension 1).
        inputs: name -> array [N, ...].

    Raises:
        ValueError: a name, dtype or shape differs, the batch is empty, or two inputs have different N.
    """
    if set(inputs) != set(expected):
        raise ValueError(f"expected inputs {sorted(expected)}, got {sorted(inputs)}")
    counts = set()
    for name, array in inputs.items():
        wanted = expected[name]
        if (
            array.dtype != wanted.dtype.numpy
            or array.shape[1:] != wanted.shape[1:]
            or array.ndim != len(wanted.shape)
        ):
            raise ValueError(
                f"input '{name}' must be {wanted.dtype.value}[N, {', '.join(map(str, wanted.shape[1:]))}], "
                f"got {array.dtype.name}{list(array.shape)}"
            )
        counts.add(array.shape[0])
    if len(counts) != 1 or 0 in counts:
        raise ValueError(f"every input must hold the same number of images, 1 or more; got {sorted(counts)}")
    return int(counts.pop())
