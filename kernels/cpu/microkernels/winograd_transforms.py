"""The transforms of inputs and weights of an exact Winograd convolution, as int16 vectors of any instruction set.

``void transform_input(record, source, target, last_row, last_column)``: one tile, all channels, to one place in every
tap that its spans have. ``source`` is the first pixel of its patch; rows and columns of the patch beyond the given ones are read as those
(no valid result depends on them). Reads run past a pixel's channels by less than a vector.

``void transform_weights(source, target, tap pitch, blocks, pair)``: two rows of taps of a panel, pair 0 being the first
and the last one, pair ``p`` rows ``2p - 1`` and ``2p``, which are a sum and a difference of the same. Weights come as
[block][3][3][vector] int8 and leave as [tap of the first row, then of the second][block][vector] int16; what the
elements of a block are is the same on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from accelserve.kernels.cpu.microkernels.emit import I8, I16, I64, Emitter, vector
from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.microkernels.winograd_forms import KERNEL, Form, Span
from accelserve.kernels.cpu.records import convolution as f
from accelserve.kernels.cpu.records import exact_winograd as w

Values = Sequence[ir.Value]
WINDOW = KERNEL * KERNEL


def words_of(isa: InstructionSet) -> int:
    """int16 elements of a vector."""
    return 2 * isa.lanes


class VectorArithmetic:
    """The arithmetic of ``winograd_forms`` on vectors."""

    def __init__(self, builder: ir.IRBuilder) -> None:
        self.add, self.sub, self._shl = builder.add, builder.sub, builder.shl

    def shl(self, value: ir.Value, bits: int) -> ir.Value:
        """``value * 2**bits``."""
        kind = value.type
        return self._shl(value, ir.Constant(kind, [bits] * kind.count))


def emit_input_transform(name: str, isa: InstructionSet, form: Form, tile: tuple[Span, Span]) -> str:
    """LLVM IR of the input's transform, for tiles with these spans of rows and columns."""
    e = Emitter(name, ("record", "source", "target", "last_row", "last_column", "unused"))
    record, source, target, last_row, last_column, _ = e.arguments
    words, arithmetic = words_of(isa), VectorArithmetic(e.builder)
    row, column, pitch, blocks = (
        e.load(e.plus(record, 8 * field), I64, 8)
        for field in (f.ROW_STEP, f.PIXEL_STEP, w.INPUT_TAP, w.CHANNEL_BLOCKS)
    )
    down, right = tile
    row, column = (
        e.builder.mul(step, e.load(e.plus(record, 8 * (w.DILATION + k)), I64, 8))
        for k, step in enumerate((row, column))
    )
    rows = [_bounded(e, k, last_row, row) for k in range(down.outputs + KERNEL - 1)]
    columns = [_bounded(e, k, last_column, column) for k in range(right.outputs + KERNEL - 1)]
    narrow, wide = vector(I8, words), vector(I16, words)
    with e.loop(blocks) as block:
        at = e.plus(source, e.times(block, words))
        across = []
        for row_offset in rows:
            pixels = [e.builder.zext(e.load(e.plus(at, row_offset, x), narrow), wide) for x in columns]
            across.append(right.input_row(arithmetic, pixels))
        place = e.plus(target, e.times(block, 2 * words))
        whole = [down.input_row(arithmetic, list(column)) for column in zip(*across, strict=True)]
        for i, row_of_taps in zip(down.taps, zip(*whole, strict=True), strict=True):
            for j, tap in zip(right.taps, row_of_taps, strict=True):
                e.store(tap, e.plus(place, e.times(pitch, form.side * i + j)))
    return e.finish()


def _bounded(e: Emitter, index: int, last: ir.Value, pitch: ir.Value) -> ir.Value:
    """Bytes to row or column ``index``, or to the last one if that comes before."""
    inside = e.builder.icmp_signed("<", e.const(index), last)
    return e.builder.mul(e.builder.select(inside, e.const(index), last), pitch)


PREFETCH_BYTES, LINE_BYTES = 4096, 64
"""Weights are asked for so far ahead: they come from far caches, and processors foresee a stream within a page only."""


def emit_weight_transform(name: str, isa: InstructionSet, form: Form) -> str:
    """LLVM IR of the weights' transform."""
    e = Emitter(name, ("source", "target", "pitch", "blocks", "pair", "unused"))
    pairs = [(0, form.side - 1), *((row, row + 1) for row in range(1, form.side - 1, 2))]
    for pair, rows in enumerate(pairs):
        with e.builder.if_then(e.builder.icmp_signed("==", e.arguments[4], e.const(pair))):
            _weight_rows(e, isa, form, rows)
    return e.finish()


def _weight_rows(e: Emitter, isa: InstructionSet, form: Form, rows: Sequence[int]) -> None:
    source, target, pitch, blocks = e.arguments[:4]
    words, arithmetic = words_of(isa), VectorArithmetic(e.builder)
    narrow, wide = vector(I8, words), vector(I16, words)
    with e.loop(blocks) as block:
        at = e.plus(source, e.times(block, WINDOW * words))
        for line in range(0, WINDOW * words, LINE_BYTES):
            e.prefetch(e.plus(at, PREFETCH_BYTES + line))
        window = [e.builder.sext(e.load(e.plus(at, words * k), narrow), wide) for k in range(WINDOW)]
        # All rows of a column are made here; the compiler drops those that nothing reads.
        columns = [form.weight_row(arithmetic, window[k::KERNEL]) for k in range(KERNEL)]
        place = e.plus(target, e.times(block, 2 * words))
        for row in rows:
            for tap in form.weight_row(arithmetic, [column[row] for column in columns]):
                e.store(tap, place)
                place = e.plus(place, pitch)
