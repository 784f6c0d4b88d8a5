"""Proves, before a plan runs, that it touches no memory but its own.

Every byte that a step writes or reads lies inside the block that its address is meant for, and every byte that is read
was written before as part of that very block.

Each step's ``accesses`` say what it does. The verifier knows for every byte of the arena and the scratch which block it
was last written for: a value whose bytes another one has taken since counts as unwritten, like one that no step made.
Bytes that kernels load and that count for nothing need only be mapped. At the end every output must be complete.

It takes 11 ms for ResNet-50 on AVX-512, 16 on AVX2, 29 on matrix tiles, whose positions are looked up one by one.

The proof covers the records' fields and the packed tables that they point to. That compiled code does what its
declaration says is for the conformance suite to show.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.cpu.plan.accesses.declaration import (
    DECLARATIONS,
    Access,
    Box,
    Moves,
    Reads,
    Record,
    Scattered,
    Touches,
    UnprovenError,
    Writes,
)
from accelserve.kernels.cpu.plan.plan_file import CpuPlan
from accelserve.kernels.cpu.plan.steps import (
    MOST_ITEMS,
    OVERREAD_BYTES,
    Address,
    Block,
    Field,
    Patch,
    Step,
)
from accelserve.kernels.cpu.records.declaration import RECORD_WORDS
from accelserve.kernels.errors import UnsafePlanError
from accelserve.kernels.ir import TensorType

Owners = NDArray[np.uint32]
NOBODY = 0
"""Wrote a byte; the block of index b is ``b + 1``."""


def verify(plan: CpuPlan, constants: NDArray[np.uint8]) -> None:
    """Prove a plan with its packed constants.

    Raises:
        UnsafePlanError: it is not proved; which step, and what it would do.
    """
    spaces = {"arena": plan.arena_bytes, "scratch": plan.scratch_bytes, "constants": plan.weights_bytes}
    blocks = list(plan.recipe.blocks)
    for index, block in enumerate(blocks):
        if not (block.offset >= 0 and 0 <= block.size_bytes <= spaces.get(block.space, -1) - block.offset):
            raise UnsafePlanError(f"block {index}", f"does not lie inside the {block.space}")
    if len(constants) < plan.weights_bytes:
        raise UnsafePlanError("the packed constants", f"have {len(constants)} of {plan.weights_bytes} bytes")
    known = _outside(plan, blocks)
    memory = _Memory(blocks, spaces, plan.inputs)
    for index, step in enumerate(plan.recipe.steps):
        place = f"step '{step.name}' ({step.operator})"
        try:
            _check_step(step)
            fields = {**step.fields, **known.get(index, {})}
            record = Record(step, fields, plan.threads, constants)
            for access in DECLARATIONS[step.function.symbol](record):
                memory.follow(access)
        except UnprovenError as error:
            raise UnsafePlanError(place, str(error)) from error
    for name in plan.outputs:
        lacking = memory.unwritten(_space("output", name))
        if lacking:
            raise UnsafePlanError(f"output '{name}'", f"has {lacking} bytes that no step writes")


def _space(direction: str, name: str) -> str:
    return f"{direction} '{name}'"


def _outside(plan: CpuPlan, blocks: list[Block]) -> dict[int, dict[int, Field]]:
    """Step -> fields that hold the caller's addresses at a run; adds a block for each array."""
    known: dict[int, dict[int, Field]] = {}
    ways: Sequence[tuple[str, Sequence[Patch], Mapping[str, TensorType]]] = (
        ("input", plan.recipe.reads, plan.inputs),
        ("output", plan.recipe.writes, plan.outputs),
    )
    for direction, patches, types in ways:
        for patch in patches:
            space = _space(direction, patch.name)
            if patch.name not in types or not 0 <= patch.step < len(plan.recipe.steps):
                raise UnsafePlanError(space, "has an address that no step takes")
            known.setdefault(patch.step, {})[patch.field] = Address(space, 0, len(blocks))
            blocks.append(Block(space, 0, types[patch.name].size_bytes))
        if sorted(patch.name for patch in patches) != sorted(types):
            raise UnsafePlanError(f"an {direction}", "is copied by no step, or by more than one")
    return known


def _check_step(step: Step) -> None:
    if step.function.symbol not in DECLARATIONS:
        raise UnprovenError(f"runs '{step.function.symbol}', which does not declare what it reads and writes")
    if step.function.arguments != 3 or not 0 < step.items <= MOST_ITEMS:
        raise UnprovenError(f"has {step.items} items, expected 1 to {MOST_ITEMS}")
    if not all(0 <= position < RECORD_WORDS for position in step.fields):
        raise UnprovenError(f"has fields beyond a record's {RECORD_WORDS}")
    reads = step.reads
    if reads is not None and not (
        len(reads.first) == len(reads.size) == len(reads.turns) == step.items
        and 0 <= reads.table < RECORD_WORDS - 1
    ):
        raise UnprovenError("has a table of weights to ask for that has not one row per item")


class _Memory:
    """Which block each byte of every space was last written for."""

    def __init__(
        self, blocks: Sequence[Block], spaces: Mapping[str, int], inputs: Mapping[str, TensorType]
    ) -> None:
        self._blocks = blocks
        sizes = {space: size for space, size in spaces.items() if space != "constants"}
        sizes |= {block.space: block.size_bytes for block in blocks if block.space not in spaces}
        self._slack = {space: OVERREAD_BYTES if space in spaces else 0 for space in sizes}
        self._owners: dict[str, Owners] = {
            space: np.zeros(size + 2 * self._slack[space], np.uint32) for space, size in sizes.items()
        }
        self._given = {"constants", *(_space("input", name) for name in inputs)}
        """Spaces that are whole before the first step and that no step may write."""

    def unwritten(self, space: str) -> int:
        """Bytes of a space that were never written."""
        return int(np.count_nonzero(self._owners[space] == NOBODY))

    def follow(self, access: Access) -> None:
        """Check one access and note what it wrote.

        Raises:
            UnprovenError: it is not proved.
        """
        match access:
            case Moves(source, target):
                self._move(source, target)
            case Touches(place):
                if _is_some(place):
                    self._require_mapped(place)
            case Reads(place):
                for box in _boxes(place):
                    self._read(box)
            case Writes(place):
                for box in _boxes(place):
                    self._require_inside(box, "writes")
                    self._view(box)[...] = box.start.block + 1

    def _read(self, box: Box) -> None:
        self._require_inside(box, "reads")
        if box.start.space in self._given:
            return
        written = self._view(box) == box.start.block + 1
        if not written.all():
            first, last = box.span
            raise UnprovenError(
                f"reads {np.count_nonzero(~written)} bytes between {first} and {last} of the {box.start.space} "
                "that no step before it wrote for it"
            )

    def _move(self, source: Box, target: Box) -> None:
        source, target = _joined(source, target)
        if not (_is_some(source) and _is_some(target)):
            return
        self._require_inside(target, "writes")
        if math.prod(target.counts) * target.size_bytes > self._blocks[target.start.block].size_bytes:
            raise UnprovenError("writes the same bytes more than once")
        if source.start.space in self._given:
            self._require_inside(source, "reads")
            self._view(target)[...] = target.start.block + 1
            return
        self._require_mapped(source)
        known = self._view(source) == source.start.block + 1
        self._view(target)[...] = np.where(known, np.uint32(target.start.block + 1), np.uint32(NOBODY))

    def _require_inside(self, place: Box | Scattered, what: str) -> None:
        """Raise unless all bytes lie in the address' block."""
        index, space = place.start.block, place.start.space
        if not (0 <= index < len(self._blocks) and self._blocks[index].space == space):
            raise UnprovenError(f"has an address in block {index}, which is not in the {space}")
        if what == "writes" and space in self._given:
            raise UnprovenError(f"writes to the {space}")
        block, (first, last) = self._blocks[index], place.span
        if first < block.offset or last > block.offset + block.size_bytes:
            raise UnprovenError(
                f"{what} bytes {first} to {last} of the {space}, expected some of "
                f"{block.offset} to {block.offset + block.size_bytes}"
            )

    def _require_mapped(self, place: Box | Scattered) -> None:
        """Raise unless all bytes may be loaded."""
        space, (first, last) = place.start.space, place.span
        if space in self._given or space not in self._owners:
            self._require_inside(place, "reads")
            return
        slack = self._slack[space]
        if first < -slack or last > len(self._owners[space]) - slack:
            raise UnprovenError(f"reads bytes {first} to {last} of the {space}, which are not mapped")

    def _view(self, box: Box) -> Owners:
        """The owners of a box's bytes, which are mapped: uint32 [*counts, size]."""
        owners, space = self._owners[box.start.space], box.start.space
        each = owners.itemsize
        return np.ndarray(
            (*box.counts, box.size_bytes),
            np.uint32,
            owners,
            offset=each * (self._slack[space] + box.start.offset),
            strides=(*(each * stride for _, stride in box.repeats), each),
        )


def _is_some(place: Box | Scattered) -> bool:
    """Whether there are bytes at all; raises UnprovenError for less than none."""
    counts = (*place.counts, place.size_bytes) if isinstance(place, Box) else (place.size_bytes,)
    if min(counts) < 0:
        raise UnprovenError(f"has {min(counts)} bytes or repetitions of a read or write")
    return min(counts) > 0


def _boxes(place: Box | Scattered) -> list[Box]:
    if not _is_some(place):
        return []
    return [place.united()] if isinstance(place, Box) else place.boxes()


def _joined(source: Box, target: Box) -> tuple[Box, Box]:
    """The same copy with as few dimensions as the strides of both allow."""
    size = source.size_bytes
    repeats: list[tuple[tuple[int, int], tuple[int, int]]] = []
    for (count, step), (_, other) in zip(reversed(source.repeats), reversed(target.repeats), strict=True):
        if count != 1 and not repeats and step == other == size:
            size *= count
        elif count != 1:
            repeats.insert(0, ((count, step), (count, other)))
    return (
        Box(source.start, tuple(each for each, _ in repeats), size),
        Box(target.start, tuple(each for _, each in repeats), size),
    )


__all__ = ["verify"]
