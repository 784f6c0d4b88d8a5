"""Kernels of operators that compute element by element, or window by window, on blocks of channels.

``void kernel(record, source, a, b, target, pixels)``, all int64: ``pixels`` pixels of a row of the result, whose first
elements are at ``target``. ``source`` is the first operand's pixel; of a pool, the first cell of the first window. ``a``
is the second operand's pixel, if there is one, or the first of the factors that a norm has for its pixels, float32; of a
pool, ``a`` and ``b`` are the window's rows and columns inside the image. The record's fields are those of ``records.elements`` and what extends it.

A block is as many channels as four vectors of int32 have lanes. Channels beyond the last whole block are computed
together with so many before them that a block is whole: what is written twice is the same. Where there are fewer
channels than a block has, a kernel is made for just that number; it may read past them by less than a vector.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from accelserve.kernels.cpu.microkernels.emit import F32, I8, I32, I64, Emitter, vector
from accelserve.kernels.cpu.microkernels.epilogue import EpilogueEmitter
from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.microkernels.names import ResultKind
from accelserve.kernels.cpu.microkernels.packed_epilogue import PackedEpilogue, block_order, packs
from accelserve.kernels.cpu.records import elements as f
from accelserve.kernels.cpu.records import elementwise as ew
from accelserve.kernels.cpu.records import windows as w
from accelserve.kernels.cpu.records.frame import CHANNELS, PIXEL, ROW

ARGUMENTS = ("record", "source", "a", "b", "target", "pixels")
_GRAMMAR = re.compile(
    r"(?P<op>affine|norm|add|maxpool|avgpool)_qu8(?P<wide>wide)?_(?P<channels>\d+)__(?P<isa>[a-z0-9]+)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementKernelName:
    """``op "_qu8" ["wide"] "_" channels "__" instruction-set``; ``channels`` of a block.

    ``wide``: results may leave int32 before they are bounded.
    """

    op: str
    channels: int
    isa: str
    wide: bool = False

    def __str__(self) -> str:
        return f"{self.op}_qu8{'wide' * self.wide}_{self.channels}__{self.isa}"


def parse_element_kernel(name: str) -> ElementKernelName:
    """Take a name apart; ValueError if it breaks the grammar."""
    match = _GRAMMAR.fullmatch(name)
    if match is None:
        raise ValueError(f"'{name}' is not a kernel name; the grammar is in {__name__}")
    return ElementKernelName(
        op=match["op"],
        channels=int(match["channels"]),
        isa=match["isa"],
        wide=match["wide"] is not None,
    )


def block_channels(isa: InstructionSet, channels: int) -> int:
    """Channels of a block, for values of ``channels``."""
    return min(4 * isa.lanes, channels)


def block_starts(isa: InstructionSet, channels: int) -> list[int]:
    """First channel of every block."""
    block = block_channels(isa, channels)
    return [min(first, channels - block) for first in range(0, channels, block)]


def pack_blocks(
    isa: InstructionSet, channels: int, vectors: Sequence[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Parameters [channels] in the order of the kernels: block after block, each vector's part of it, padded to lanes."""
    block = block_channels(isa, channels)
    padded = -(-block // isa.lanes) * isa.lanes
    order = np.array(block_order(isa)) if packs(isa, block) else np.arange(block)
    starts = block_starts(isa, channels)
    result = np.zeros((len(starts), len(vectors), padded), np.float32)
    for at, first in enumerate(starts):
        for row, values in zip(result[at], vectors, strict=True):
            row[:block] = values[first + order]
    return result


def emit_element_kernel(name: ElementKernelName, isa: InstructionSet) -> str:
    """LLVM IR of the kernel of that name."""
    kernel = _Kernel(name, isa)
    _BODIES[name.op](kernel)
    return kernel.e.finish()


class _Kernel:
    def __init__(self, name: ElementKernelName, isa: InstructionSet) -> None:
        self.name, self.isa, self.lanes = name, isa, isa.lanes
        self.e = Emitter(str(name), ARGUMENTS)
        self.record, self.source, self.a, self.b, self.target, self.pixels = self.e.arguments
        self.vectors = -(-name.channels // isa.lanes)
        self.bytes = vector(I8, isa.lanes * self.vectors)
        kind = ResultKind(True, wide=name.wide)
        self.packed = (
            PackedEpilogue(self.e, self.record, kind, isa.lanes) if packs(isa, name.channels) else None
        )
        self.plain = EpilogueEmitter(self.e, self.record, kind, isa.lanes)

    def field(self, position: int) -> ir.Value:
        return self.e.load(self.e.plus(self.record, 8 * position), I64, 8)

    def splat(self, position: int, kind: ir.Type) -> ir.Value:
        return self.e.splat(self.e.load(self.e.plus(self.record, 8 * position), kind, 4), self.lanes)

    @contextmanager
    def blocks(self) -> Iterator[tuple[ir.Value, ir.Value]]:
        """Blocks of channels: index, and first channel."""
        e, build = self.e, self.e.builder
        channels, block = self.field(f.TARGET + CHANNELS), e.const(self.name.channels)
        count = build.sdiv(e.plus(channels, self.name.channels - 1), block)
        with e.loop(count) as index:
            first, last = e.times(index, self.name.channels), build.sub(channels, block)
            yield index, build.select(build.icmp_signed("<", first, last), first, last)

    @contextmanager
    def row(self, *places: tuple[ir.Value, ir.Value]) -> Iterator[list[ir.Value]]:
        """Pixels of the row: the addresses, of which each moves on by its step."""
        moving = [(self.e.variable(address), step) for address, step in places]
        with self.e.loop(self.pixels):
            yield [address.get() for address, _ in moving]
            for address, step in moving:
                address.set(self.e.builder.add(address.get(), step))

    def widened(self, address: ir.Value) -> list[ir.Value]:
        """A block's bytes as vectors of int32."""
        if self.packed is not None:
            return self.packed.widened(address)
        kind = vector(I8, self.lanes)
        loads = [self.e.load(self.e.plus(address, self.lanes * v), kind) for v in range(self.vectors)]
        return [self.e.builder.zext(each, vector(I32, self.lanes)) for each in loads]

    def centred(self, address: ir.Value, zero: ir.Value) -> list[ir.Value]:
        """A block's elements less the zero point, as float32."""
        build = self.e.builder
        kind = vector(F32, self.lanes)
        return [build.sitofp(build.sub(each, zero), kind) for each in self.widened(address)]

    def finish(self, values: Sequence[ir.Value], address: ir.Value) -> None:
        """Bound, round and store a block of float32."""
        if self.packed is not None:
            self.packed.store(values, address)
            return
        for v, value in enumerate(values):
            self.store_lanes(self.plain.result(value, address), self.e.plus(address, self.lanes * v), v)

    def store_lanes(self, value: ir.Value, address: ir.Value, v: int) -> None:
        """Store those bytes of a vector that are channels."""
        count = min(self.lanes, self.name.channels - self.lanes * v)
        self.e.store(self.e.low_lanes(value, count), address)


def _affine(k: _Kernel, *, factors: bool = False) -> None:
    """A product and a sum per channel; with ``factors``, of pixels that are multiplied by one of their own first."""
    e, build = k.e, k.e.builder
    zero = k.splat(f.INPUT_ZERO, I32)
    source_step, target_step = k.field(f.SOURCE + PIXEL), k.field(f.TARGET + PIXEL)
    padded = k.vectors * k.lanes
    with k.blocks() as (block, channel):
        place = e.plus(k.field(ew.PARAMETERS), e.times(block, 8 * padded))
        loads = [e.load(e.plus(place, 4 * k.lanes * v), vector(F32, k.lanes)) for v in range(2 * k.vectors)]
        multiply, addend = loads[: k.vectors], loads[k.vectors :]
        places = [(e.plus(k.source, channel), source_step), (e.plus(k.target, channel), target_step)]
        places += [(k.a, e.const(4))] if factors else []
        with k.row(*places) as (source, target, *own):
            values = k.centred(source, zero)
            for at in own:
                factor = e.splat(e.load(at, F32, 4), k.lanes)
                values = [build.fmul(x, factor) for x in values]
            values = [
                build.fadd(build.fmul(x, m), a) for x, m, a in zip(values, multiply, addend, strict=True)
            ]
            k.finish(values, target)


def _add(k: _Kernel) -> None:
    e, build = k.e, k.e.builder
    zeros = k.splat(f.INPUT_ZERO, I32), k.splat(ew.OTHER_ZERO, I32)
    multipliers = k.splat(ew.INPUT_MULTIPLIER, F32), k.splat(ew.OTHER_MULTIPLIER, F32)
    frames = ((k.source, f.SOURCE), (k.a, ew.OTHER), (k.target, f.TARGET))
    steps = [k.field(frame + PIXEL) for _, frame in frames]
    with k.blocks() as (_, channel):
        starts = [e.plus(address, channel) for address, _ in frames]
        with k.row(*zip(starts, steps, strict=True)) as (*operands, target):
            left, right = (
                [build.fmul(x, multiplier) for x in k.centred(at, zero)]
                for at, zero, multiplier in zip(operands, zeros, multipliers, strict=True)
            )
            k.finish([build.fadd(x, y) for x, y in zip(left, right, strict=True)], target)


class _Windows:
    """A pool's loops over the cells of its windows."""

    def __init__(self, k: _Kernel) -> None:
        build = k.e.builder
        pixel, row = k.field(f.SOURCE + PIXEL), k.field(f.SOURCE + ROW)
        self.k = k
        self.steps = (
            build.mul(k.field(w.STRIDES + 1), pixel),
            k.field(f.TARGET + PIXEL),
        )
        self.row = build.mul(k.field(w.DILATIONS), row)
        self.cell = build.mul(k.field(w.DILATIONS + 1), pixel)
        self.some = build.icmp_signed(">", build.mul(k.a, k.b), k.e.const(0))

    @contextmanager
    def cells(self, first: ir.Value) -> Iterator[ir.Value]:
        """Addresses of the cells of the window at ``first``; none where the window is empty."""
        e = self.k.e
        with e.builder.if_then(self.some):
            line = e.variable(first)
            with e.loop(self.k.a):
                at = e.variable(line.get())
                with e.loop(self.k.b):
                    yield at.get()
                    at.set(e.builder.add(at.get(), self.cell))
                line.set(e.builder.add(line.get(), self.row))


def _max_pool(k: _Kernel) -> None:
    e, windows = k.e, _Windows(k)
    nothing = ir.Constant(k.bytes, [0] * k.bytes.count)
    with k.blocks() as (_, channel):
        starts = e.plus(k.source, channel), e.plus(k.target, channel)
        with k.row(*zip(starts, windows.steps, strict=True)) as (source, target):
            greatest = e.variable(nothing)
            with windows.cells(source) as cell:
                here = e.load(cell, k.bytes)
                greatest.set(e.call(f"llvm.umax.v{k.bytes.count}i8", k.bytes, [greatest.get(), here]))
            e.store(e.low_lanes(greatest.get(), k.name.channels), target)


def _average_pool(k: _Kernel) -> None:
    e, build, windows = k.e, k.e.builder, _Windows(k)
    kind = vector(I32, k.lanes)
    inside = build.mul(k.a, k.b)
    centre = e.splat(build.mul(build.trunc(inside, I32), build.trunc(k.field(f.INPUT_ZERO), I32)), k.lanes)
    multiplier = e.splat(e.load(e.plus(k.field(w.MULTIPLIER), e.times(inside, 4)), F32, 4), k.lanes)
    with k.blocks() as (_, channel):
        starts = e.plus(k.source, channel), e.plus(k.target, channel)
        with k.row(*zip(starts, windows.steps, strict=True)) as (source, target):
            sums = [e.variable(ir.Constant(kind, [0] * k.lanes)) for _ in range(k.vectors)]
            with windows.cells(source) as cell:
                for total, value in zip(sums, k.widened(cell), strict=True):
                    total.set(build.add(total.get(), value))
            centred = [build.sitofp(build.sub(each.get(), centre), vector(F32, k.lanes)) for each in sums]
            k.finish([build.fmul(each, multiplier) for each in centred], target)


_BODIES: Mapping[str, Callable[[_Kernel], None]] = {
    "affine": _affine,
    "norm": partial(_affine, factors=True),
    "add": _add,
    "maxpool": _max_pool,
    "avgpool": _average_pool,
}

__all__ = [
    "ElementKernelName",
    "block_channels",
    "block_starts",
    "emit_element_kernel",
    "pack_blocks",
    "parse_element_kernel",
]
