"""From a node of a planned graph to a step: what an operator's file registers, and what it is given to work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar, get_args, get_type_hints

import numpy as np

from accelserve.kernels.compiler.layout import Placement
from accelserve.kernels.compiler.plan import ExecutionPlan
from accelserve.kernels.cpu.compiler.blocks import Blocks
from accelserve.kernels.cpu.compiler.frames import frame_fields
from accelserve.kernels.cpu.compiler.pack import Packer
from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.plan.steps import Address, Code, Field, Step
from accelserve.kernels.cpu.plan.weight_streams import LINE_BYTES
from accelserve.kernels.cpu.records.declaration import Record, Unit
from accelserve.kernels.errors import PlanError
from accelserve.kernels.ir import Array, Node, Op, Padding, TensorType
from accelserve.kernels.native.machine_code import KERNELS, object_code

PAGE_BYTES = 4096
APART_BYTES = 2 * PAGE_BYTES
"""Between the scratch of two workers. Processors, and kernels that ask for what they need next, fetch ahead of the end of
what they read; a line that another worker writes would come and go between their caches."""


class HaloRule(Protocol):
    """See ``LayoutRules.halo``; ``op`` is of the classes that the lowering is registered for."""

    def __call__(self, op: Any, operand: int) -> tuple[Padding, int] | None:
        """The halo of an operand."""


Lower: TypeAlias = Callable[[Node, Any, "Context"], Sequence[Step]]
"""Steps of a node, none if its result is a view; the second argument is the node's operator."""
Function = TypeVar("Function", bound=Lower)


def no_halo(op: Op, operand: int) -> tuple[Padding, int] | None:
    """For operators that read their operands' elements only."""
    del op, operand
    return None


@dataclass(frozen=True, slots=True)
class Lowering:
    """How nodes of one operator become steps."""

    lower: Lower
    halo: HaloRule = no_halo
    takes_over: Callable[[Node], Sequence[int]] = field(default=lambda _: ())


LOWERINGS: dict[type[Op], Lowering] = {}
"""Operator -> its lowering; filled by the files of ``ops``."""


def lowers(
    *ops: type[Op],
    halo: HaloRule = no_halo,
    takes_over: Callable[[Node], Sequence[int]] = lambda _: (),
) -> Callable[[Function], Function]:
    """Register the decorated function as the lowering of some operators, which its argument ``op`` names again.

    Raises:
        TypeError: ``op`` is declared to be something else, or one of the operators has a lowering already.
    """

    def register(function: Function) -> Function:
        declared = get_type_hints(function).get("op")
        if set(get_args(declared) or (declared,)) != set(ops):
            raise TypeError(f"{function} lowers {[op.__name__ for op in ops]} but takes {declared}")
        for op in ops:
            if LOWERINGS.setdefault(op, Lowering(function, halo, takes_over)).lower is not function:
                raise TypeError(f"{op.__name__} has two lowerings: {LOWERINGS[op].lower} and {function}")
        return function

    return register


class CpuLayoutRules:
    """The layout that the registered operators ask for."""

    def halo(self, node: Node, operand: int) -> tuple[Padding, int] | None:
        """See ``LayoutRules``."""
        return LOWERINGS[type(node.op)].halo(node.op, operand)

    def takes_over(self, node: Node) -> Sequence[int]:
        """See ``LayoutRules``."""
        return LOWERINGS[type(node.op)].takes_over(node)


@dataclass(slots=True)
class Context:
    """What lowerings read and write while a plan is made.

    Attributes:
        plan: where values live.
        blocks: what addresses point into.
        packer: takes packed constants.
        isa: the instruction set to use.
        threads: workers of one image.
        cache: folder for machine code, or None.
        scratch_bytes: of a lane; grows as steps ask.
    """

    plan: ExecutionPlan
    blocks: Blocks
    packer: Packer
    isa: InstructionSet
    threads: int
    cache: Path | None
    scratch_bytes: int = 0

    def type_of(self, value: str) -> TensorType:
        """Type of a value."""
        return self.plan.graph.type_of(value)

    def constant(self, value: str) -> Array | None:
        """The array of a constant; None for any other value."""
        return self.plan.graph.constants.get(value)

    def placement(self, value: str) -> Placement:
        """Where a value lives; constants that steps read as they are get a dense place of their own."""
        if value in self.plan.placements:
            return self.plan.placements[value]
        kind = self.type_of(value)
        pixel = kind.shape[3] * kind.dtype.size_bytes if len(kind.shape) == 4 else kind.size_bytes
        row = pixel * kind.shape[2] if len(kind.shape) == 4 else pixel
        return Placement(buffer=-1, origin=0, type=kind, pixel_pitch=pixel, row_pitch=row)

    def address(self, value: str) -> Address:
        """Address of a value's first element."""
        if value in self.plan.placements:
            return Address("arena", self.plan.address(value), self.blocks.of(value))
        return self.pack(self.plan.graph.constants[value])

    def pack(self, array: Array) -> Address:
        """Keep an array among the constants."""
        return self.pack_later(array.nbytes, lambda: array)

    def pack_later(self, size_bytes: int, make: Callable[[], Array]) -> Address:
        """Keep an array that is only made when the cache does not hold it."""
        offset = self.packer.reserve(size_bytes, make)
        return self.blocks.start("constants", offset, size_bytes)

    def scratch(self, size_bytes: int) -> tuple[Address, int]:
        """Memory that only one step uses: of worker 0, and the bytes from each worker's to the next one's."""
        pitch = -(-size_bytes // PAGE_BYTES) * PAGE_BYTES + APART_BYTES
        self.scratch_bytes = max(self.scratch_bytes, pitch * self.threads)
        return self.blocks.start("scratch", 0, pitch * self.threads), pitch

    def shared_scratch(self, bytes_each: int, size_bytes: int) -> Address:
        """Memory of two steps that follow each other, behind the ``bytes_each`` that every worker has of its own."""
        behind = -(-bytes_each * self.threads // LINE_BYTES) * LINE_BYTES
        self.scratch_bytes = max(self.scratch_bytes, behind + size_bytes)
        return self.blocks.start("scratch", behind, size_bytes)

    def kernel(self, name: str, emit: Callable[[str], str]) -> Code:
        """A microkernel of this plan's instruction set, compiled now if need be.

        Args:
            name: unique among kernels of different code.
            emit: makes the LLVM IR of a module with one function of the name that it is given.
        """
        target = self.isa.target
        KERNELS.address(name, lambda: object_code(emit(name), target), target, self.cache)
        return Code(name)

    def frame(self, value: str, at: int) -> dict[int, Field]:
        """The frame block of a value, from position ``at`` of a record on."""
        fields: dict[int, Field] = dict(enumerate(frame_fields(self.placement(value), 0), at))
        fields[at] = self.address(value)
        return fields

    def shares(self, rows: int, each: int = 4) -> int:
        """A number of items for work of ``rows`` equal parts: ``each`` for every worker, if there are so many."""
        return max(1, min(rows, each * self.threads))


_OF_UNIT: Mapping[Unit, tuple[type, ...]] = {Unit.ADDRESS: (Address,), Unit.KERNEL: (Code,)}
"""What a word may hold beside 0; numbers everywhere else."""


def record_of(record: Record, *parts: Mapping[int, Field]) -> dict[int, Field]:
    """A step's record, of parts that each set some of its fields.

    Raises:
        PlanError: a part sets a word that the record does not have or that another part has set, or to another kind of
            value than the record declares.
    """
    fields: dict[int, Field] = {}
    for part in parts:
        for position, value in part.items():
            unit = record.unit_of(position)
            if unit is None:
                raise PlanError(f"{record} has no word {position}")
            if position in fields:
                raise PlanError(f"{record.name_of(position)} of {record} is set twice")
            if not (isinstance(value, _OF_UNIT.get(unit, (int, np.integer))) or value == 0):
                raise PlanError(f"{record.name_of(position)} of {record} holds {unit.value}, got {value!r}")
            fields[position] = value
    return fields


def float_bits(value: float) -> int:
    """The bits of a float32, for a record's field."""
    return int(np.float32(value).view(np.int32))


__all__ = [
    "LOWERINGS",
    "Address",
    "Code",
    "Context",
    "CpuLayoutRules",
    "Field",
    "HaloRule",
    "Lower",
    "Lowering",
    "Step",
    "float_bits",
    "lowers",
    "no_halo",
    "record_of",
]
