"""What a plan's steps are made of: places, fields of a record, steps. Pure data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from accelserve.kernels.cpu.plan.weight_streams import WeightReads
from accelserve.kernels.native.compiled import Compiled

ITEM_BITS = 20
MOST_ITEMS = (1 << ITEM_BITS) - 1
"""Of a step: workers count them in so many bits (``runtime.team``)."""
OVERREAD_BYTES = 1 << 15
"""Mapped before and behind the arena and the scratch: kernels may read there, and what they find counts for nothing."""


class Block(NamedTuple):
    """Bytes that one value, one array of constants, or the scratch of one step has for itself while it lives.

    Values that share storage share a block; a result that is written over its operand has one of its own.

    Attributes:
        space: as ``Address`` has it.
        offset: of the first byte.
        size_bytes: 1 or more, except for empty constants.
    """

    space: str
    offset: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Address:
    """A place that is known when memory is: bytes from the start of ``space``.

    Attributes:
        space: ``arena`` (of each workspace), ``scratch`` (of each workspace) or ``constants``.
        offset: in bytes.
        block: index of the block that it is meant to lie in; an origin before the halo may lie outside.
    """

    space: str
    offset: int
    block: int

    def __add__(self, more: int) -> Address:
        return Address(self.space, self.offset + more, self.block)


@dataclass(frozen=True, slots=True)
class Code:
    """The address of a microkernel, known when its machine code is loaded.

    Attributes:
        name: of the kernel.
    """

    name: str


Field: TypeAlias = int | Address | Code


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one compiled call does, cut into items that any worker may take.

    Attributes:
        name: of the node.
        operator: what runs, with its tile, for profiles.
        function: ``void function(record, item, thread)``.
        fields: of the record, by position.
        items: 1 or more; each is a share of the work that depends on no other one.
        shape: of the result.
        macs: multiply-accumulates of the definition.
        executed_macs: that its multiply instructions have room for, each counted as one of the peak's (``peak``), which
            includes padding and leaves out what an algorithm spares; None: as many as ``macs``.
        reads: what it reads of the packed constants, if it is worth asking for early.
    """

    name: str
    operator: str
    function: Compiled
    fields: Mapping[int, Field]
    items: int
    shape: tuple[int, ...]
    macs: int = 0
    executed_macs: int | None = None
    reads: WeightReads | None = None


class Patch(NamedTuple):
    """A record's field that holds the address of an image's input or output.

    Attributes:
        step: index of the step.
        field: position in its record.
        name: of the input or output.
    """

    step: int
    field: int
    name: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything a program needs that does not depend on where memory lies.

    Attributes:
        steps: copies of inputs, the nodes' steps, copies of outputs.
        blocks: what addresses in the steps' records point into.
        reads: where inputs' addresses go.
        writes: where outputs' addresses go.
    """

    steps: Sequence[Step]
    blocks: Sequence[Block]
    reads: Sequence[Patch]
    writes: Sequence[Patch]
