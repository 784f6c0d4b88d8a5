"""The parts of a declaration: boxes of bytes, what is done with them, and the record that they are computed from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.cpu.microkernels.elements import ElementKernelName, parse_element_kernel
from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.microkernels.names import KernelName, parse
from accelserve.kernels.cpu.microkernels.targets import INSTRUCTION_SETS
from accelserve.kernels.cpu.plan.steps import Address, Code, Field, Step

Name = TypeVar("Name")
_ROOM = "accelserve.kernels.cpu.compiler"


class UnprovenError(Exception):
    """A record that contradicts itself; the message is the rest of a sentence about its step."""


@dataclass(frozen=True, slots=True)
class Box:
    """Runs of consecutive bytes, repeated along any number of dimensions.

    Attributes:
        start: of the first run.
        repeats: how often, and bytes from one to the next; outermost first.
        size_bytes: of a run.
    """

    start: Address
    repeats: tuple[tuple[int, int], ...]
    size_bytes: int

    @property
    def counts(self) -> tuple[int, ...]:
        """How often, dimension by dimension."""
        return tuple(count for count, _ in self.repeats)

    @property
    def span(self) -> tuple[int, int]:
        """The first byte and the one after the last, from the start of the space."""
        before = sum(min(0, (count - 1) * stride) for count, stride in self.repeats)
        behind = sum(max(0, (count - 1) * stride) for count, stride in self.repeats)
        return self.start.offset + before, self.start.offset + behind + self.size_bytes

    def united(self) -> Box:
        """The same bytes in as few dimensions as possible, in any order."""
        start, size = self.start + (self.span[0] - self.start.offset), self.size_bytes
        repeats: list[tuple[int, int]] = []
        for count, stride in sorted((each for each in self.repeats if each[0] != 1), key=lambda x: abs(x[1])):
            if not repeats and abs(stride) <= size:
                size += (count - 1) * abs(stride)
            else:
                repeats.insert(0, (count, abs(stride)))
        return Box(start, tuple(repeats), size)


@dataclass(frozen=True, slots=True)
class Scattered:
    """Runs of ``size_bytes`` bytes at any offsets from ``start``: int64 [runs], 1 or more."""

    start: Address
    offsets: NDArray[np.int64]
    size_bytes: int

    @property
    def span(self) -> tuple[int, int]:
        """See ``Box``."""
        first, last = int(self.offsets.min()), int(self.offsets.max())
        return self.start.offset + first, self.start.offset + last + self.size_bytes

    def boxes(self) -> list[Box]:
        """The same bytes as boxes: one where stretches without a gap repeat evenly, else one for each stretch."""
        starts = np.sort(self.offsets, kind="stable")  # which is quick about what is sorted already
        cuts = np.flatnonzero(np.diff(starts) > self.size_bytes) + 1
        firsts = starts[np.r_[0, cuts]]
        sizes = starts[np.r_[cuts - 1, len(starts) - 1]] - firsts + self.size_bytes
        repeats = _even_repeats(firsts) if (sizes == sizes[0]).all() else None
        if repeats is not None:
            return [Box(self.start + int(firsts[0]), repeats, int(sizes[0]))]
        return [
            Box(self.start + first, (), size)
            for first, size in zip(firsts.tolist(), sizes.tolist(), strict=True)
        ]


def _even_repeats(starts: NDArray[np.int64]) -> tuple[tuple[int, int], ...] | None:
    """Rows of columns whose starts these are, if there are such; increasing."""
    steps = np.diff(starts)
    breaks = np.flatnonzero(steps != steps[:1])
    columns = int(breaks[0]) + 1 if len(breaks) else len(starts)
    if len(starts) % columns:
        return None
    grid = starts.reshape(-1, columns)
    rows = np.diff(grid[:, 0])
    if (grid - grid[:, :1] != grid[0] - grid[0, 0]).any() or (rows != rows[:1]).any():
        return None
    pitches = [int(steps[0]) if len(steps) else 0, int(rows[0]) if len(rows) else 0]
    return (len(grid), pitches[1]), (columns, pitches[0])


@dataclass(frozen=True, slots=True)
class Reads:
    """Every byte must hold what a step wrote as part of the same block."""

    place: Box | Scattered


@dataclass(frozen=True, slots=True)
class Touches:
    """Bytes that are read and count for nothing (multiplied by 0, or lanes that are dropped); they need only be mapped."""

    place: Box | Scattered


@dataclass(frozen=True, slots=True)
class Writes:
    """Every byte is set."""

    place: Box | Scattered


@dataclass(frozen=True, slots=True)
class Moves:
    """Bytes are copied, run by run: a byte of ``target`` may be read if the one of ``source`` might have been.

    Both have the same counts and size.
    """

    source: Box
    target: Box


Access: TypeAlias = Reads | Touches | Writes | Moves
Declaration: TypeAlias = "Callable[[Record], Iterable[Access]]"

DECLARATIONS: dict[str, Declaration] = {}
"""Symbol of a step's function -> what it does with a record; filled by the files of this room."""


def accesses_of(*steps: str) -> Callable[[Declaration], Declaration]:
    """Register the decorated function as the declaration of steps, each ``module.function`` behind ``kernels.cpu.compiler``."""

    def register(declaration: Declaration) -> Declaration:
        DECLARATIONS.update({f"{_ROOM}.{step}": declaration for step in steps})
        return declaration

    return register


class Record:
    """A step's record, as declarations read it. Every method raises UnprovenError for a field of another kind.

    Attributes:
        items: of the step.
        threads: workers that may run it.
    """

    def __init__(
        self, step: Step, fields: Mapping[int, Field], threads: int, constants: NDArray[np.uint8]
    ) -> None:
        """Take a step with its fields, those that are known at a run included, and the packed constants."""
        self.items, self.threads = step.items, threads
        self._fields, self._constants = fields, constants

    def number(self, position: int) -> int:
        """A number; 0 if there is none, as in memory."""
        value = self._fields.get(position, 0)
        if not isinstance(value, int | np.integer):
            raise UnprovenError(f"has {_kind(value)} in field {position} of its record, expected a number")
        return int(value)

    def positive(self, position: int) -> int:
        """A number of 1 or more."""
        value = self.number(position)
        if value < 1:
            raise UnprovenError(f"has {value} in field {position} of its record, expected 1 or more")
        return value

    def address(self, position: int) -> Address:
        """An address."""
        value = self._fields.get(position, 0)
        if not isinstance(value, Address):
            raise UnprovenError(f"has {_kind(value)} in field {position} of its record, expected an address")
        return value

    def kernel(self, position: int) -> str:
        """Name of a microkernel."""
        value = self._fields.get(position, 0)
        if not isinstance(value, Code):
            raise UnprovenError(f"has {_kind(value)} in field {position} of its record, expected a kernel")
        return value.name

    def tile_kernel(self, position: int) -> KernelName:
        """A microkernel of the grammar of ``names``."""
        return _parsed(self.kernel(position), parse)

    def element_kernel(self, position: int) -> ElementKernelName:
        """A microkernel of the grammar of ``elements``."""
        return _parsed(self.kernel(position), parse_element_kernel)

    def table(self, position: int, *shape: int) -> NDArray[np.int64]:
        """Packed int64 that the step finds its places by; the declaration has to say that they are read."""
        return self.constant(position, 8 * math.prod(shape)).view(np.int64).reshape(shape)

    def constant(self, position: int, size_bytes: int) -> NDArray[np.uint8]:
        """Packed bytes."""
        at = self.address(position)
        if at.space != "constants" or not 0 <= at.offset <= len(self._constants) - size_bytes:
            raise UnprovenError(f"has a table in field {position} of its record that is no packed constant")
        return self._constants[at.offset : at.offset + size_bytes].copy()

    def share(self, position: int, parts: int) -> int:
        """How many of ``parts`` the step's items cover, each an even share, when the record counts on so many items."""
        return self.items * parts // self.positive(position)

    @staticmethod
    def require(holds: bool, what: str) -> None:
        """Raise UnprovenError unless it holds; ``what`` goes on after the step's name."""
        if not holds:
            raise UnprovenError(what)


def instruction_set(name: str) -> InstructionSet:
    """By the last part of a kernel's name."""
    if name not in INSTRUCTION_SETS:
        raise UnprovenError(f"names the instruction set '{name}', which there is none of")
    return INSTRUCTION_SETS[name]


def _kind(value: Field) -> str:
    match value:
        case Address():
            return "an address"
        case Code():
            return "a kernel"
        case _:
            return "a number"


def _parsed(text: str, grammar: Callable[[str], Name]) -> Name:
    try:
        return grammar(text)
    except ValueError as error:
        raise UnprovenError(f"names a kernel that cannot be: {error}") from error


__all__ = [
    "DECLARATIONS",
    "Access",
    "Box",
    "Declaration",
    "Moves",
    "Reads",
    "Record",
    "Scattered",
    "Touches",
    "UnprovenError",
    "Writes",
    "accesses_of",
    "instruction_set",
]
