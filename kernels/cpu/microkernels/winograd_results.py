"""From the products of an exact Winograd convolution to its stored results: one tile by one panel.

``void finish(record, products, parameters, output, residual, inside)``: ``products`` are int32 [part][tap][tile][channel],
``parameters`` the panel's int32 biases times ``scale`` modulo 2**32 and its float32 scales by ``2**shift``, ``inside``
how many rows and columns of the tile's results are in the image: ``rows * 8 + columns``.

Sums come out ``2**shift`` times too great, and so go into the epilogue: float32 rounds a number and its double alike,
so the scale by ``2**shift`` gives the bits that the sum and the scale would. The sums of several parts of the channels are
divided by ``2**shift`` before they are added up, and their scale is the layer's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from llvmlite import ir

from accelserve.kernels.cpu.microkernels.emit import F32, I32, I64, Emitter, vector
from accelserve.kernels.cpu.microkernels.epilogue import EpilogueEmitter
from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.microkernels.names import ResultKind
from accelserve.kernels.cpu.microkernels.packed_epilogue import PackedEpilogue, packs_panels
from accelserve.kernels.cpu.microkernels.winograd_forms import BIAS_TAP, Form, Span
from accelserve.kernels.cpu.microkernels.winograd_transforms import VectorArithmetic
from accelserve.kernels.cpu.records import convolution as f
from accelserve.kernels.cpu.records import exact_winograd as w

Places = Sequence[tuple[ir.Value, ir.Value]]
"""Addresses of a pixel's sums, its output and its residual, and bytes to those of the next one; 0 if it is outside."""
EmitPixels = Callable[[Places], None]

ARGUMENTS = ("record", "products", "parameters", "output", "residual", "inside")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """What one call of the kernel makes results of.

    Attributes:
        form: of the convolution.
        spans: of the tile's rows and columns.
        kind: of the results.
        channels: of the panel.
        parts: of the input's channels, which have products of their own.
    """

    form: Form
    spans: tuple[Span, Span]
    kind: ResultKind
    channels: int
    parts: int = 1


def emit_results(name: str, isa: InstructionSet, tile: Tile) -> str:
    """LLVM IR of the kernel for such tiles."""
    return _Results(name, isa, tile).text()


class _Results:
    def __init__(self, name: str, isa: InstructionSet, tile: Tile) -> None:
        self.isa, self.form, self.kind = isa, tile.form, tile.kind
        self.channels, self.parts = tile.channels, tile.parts
        self.rows, self.columns = tile.spans
        self.vectors = -(-tile.channels // isa.lanes)
        self.vector_bytes = 4 * isa.lanes
        self.row_bytes = self.vectors * self.vector_bytes
        self.e = Emitter(name, ARGUMENTS)

    def field(self, position: int) -> ir.Value:
        return self.e.load(self.e.plus(self.e.arguments[0], 8 * position), I64, 8)

    def text(self) -> str:
        sums = self.e.scratch(self.rows.outputs * self.columns.outputs * self.row_bytes)
        self._sums(sums)
        self._epilogue(sums)
        return self.e.finish()

    def _sums(self, sums: ir.Value) -> None:
        """``2**shift`` times the sums, bias included, of every pixel: [pixel][channel]; the sums, if there are parts."""
        e, form = self.e, self.form
        _, products, parameters = e.arguments[:3]
        tap_bytes, kind = self.field(w.PRODUCTS_TAP), vector(I32, self.isa.lanes)
        shift = e.splat_const(I32, form.shift, self.isa.lanes)
        with e.loop(e.const(self.vectors)) as v:
            offset = e.times(v, self.vector_bytes)
            for part in range(self.parts):
                at = e.plus(products, offset, e.times(tap_bytes, part * form.taps))
                bias = self._bias(e.plus(parameters, offset)) if part == 0 else None
                place = e.plus(sums, offset)
                for total in self._sums_of_part(at, tap_bytes, bias):
                    value = total if self.parts == 1 else e.builder.ashr(total, shift)
                    if part > 0:
                        value = e.builder.add(value, e.load(place, kind, self.vector_bytes))
                    e.store(value, place, self.vector_bytes)
                    place = e.plus(place, self.row_bytes)

    def _sums_of_part(self, at: ir.Value, tap_bytes: ir.Value, bias: ir.Value | None) -> Iterator[ir.Value]:
        """``2**shift`` times the sums of one part of the channels, pixel by pixel, from its products at ``at``."""
        e, form = self.e, self.form
        kind, arithmetic = vector(I32, self.isa.lanes), VectorArithmetic(e.builder)
        made = {
            (i, j): e.load(e.plus(at, e.times(tap_bytes, form.side * i + j)), kind, self.vector_bytes)
            for i in self.rows.taps
            for j in self.columns.taps
        }
        centre = BIAS_TAP, BIAS_TAP
        if bias is not None:
            made[centre] = e.builder.add(made[centre], bias)
        down = [
            self.rows.output_row(arithmetic, [made[i, j] for i in self.rows.taps]) for j in self.columns.taps
        ]
        inverse = e.splat_const(I32, form.inverse, self.isa.lanes)
        for row in zip(*down, strict=True):
            for total in self.columns.output_row(arithmetic, row):
                yield total if form.inverse == 1 else e.builder.mul(total, inverse)

    def _bias(self, at: ir.Value) -> ir.Value:
        """What makes it go once into every output."""
        bias = self.e.load(at, vector(I32, self.isa.lanes))
        factor = self.rows.bias * self.columns.bias % 2**32
        return (
            bias if factor == 1 else self.e.builder.mul(bias, self.e.splat_const(I32, factor, self.isa.lanes))
        )

    def _pitches(self, row: int, pixel: int) -> tuple[ir.Value, ir.Value]:
        """From one row, and from one column, of a tile's results to the next, for the fields of the image's."""
        multiply = self.e.builder.mul
        down, right = self.field(w.DILATION), self.field(w.DILATION + 1)
        return multiply(self.field(row), down), multiply(self.field(pixel), right)

    def _epilogue(self, sums: ir.Value) -> None:
        """Every pixel inside the image."""
        e = self.e
        _, _, parameters, output, residual, inside = e.arguments
        scale_at = e.plus(parameters, self.row_bytes)
        scales = [
            e.load(e.plus(scale_at, self.vector_bytes * v), vector(F32, self.isa.lanes))
            for v in range(self.vectors)
        ]
        emit, together = self._emit(scales)
        rows, columns = e.builder.lshr(inside, e.const(3)), e.builder.and_(inside, e.const(7))
        pitches = (
            (sums, e.const(self.row_bytes * self.columns.outputs), e.const(self.row_bytes)),
            (output, *self._pitches(f.OUTPUT_ROW, f.OUTPUT_PIXEL)),
            (residual, *self._pitches(f.RESIDUAL_ROW, f.RESIDUAL_PIXEL)),
        )
        starts = [(e.variable(start), row, pixel) for start, row, pixel in pitches]
        turns = e.builder.lshr(e.plus(columns, together - 1), e.const(together - 1))
        with e.loop(rows):
            moving = [(e.variable(start.get()), pixel) for start, _, pixel in starts]
            with e.loop(turns) as turn:
                follows = e.builder.icmp_signed("<", e.plus(e.times(turn, together), 1), columns)
                emit([(at.get(), e.builder.select(follows, pixel, e.const(0))) for at, pixel in moving])
                for at, pixel in moving:
                    at.set(e.plus(at.get(), *[pixel] * together))
            for start, row, _ in starts:
                start.set(e.plus(start.get(), row))

    def _emit(self, scales: list[ir.Value]) -> tuple[EmitPixels, int]:
        """What emits a turn, and the pixels that it takes."""
        if not (self.kind.quantized and packs_panels(self.isa, self.channels)):
            return self._plain(scales), 1
        epilogue = PackedEpilogue(self.e, self.e.arguments[0], self.kind, self.isa.lanes)
        return (self._two(epilogue, scales), 2) if self.vectors == 2 else (self._one(epilogue, scales), 1)

    def _loaded(self, at: ir.Value) -> list[ir.Value]:
        kind = vector(I32, self.isa.lanes)
        return [
            self.e.load(self.e.plus(at, self.vector_bytes * v), kind, self.vector_bytes)
            for v in range(self.vectors)
        ]

    def _one(self, epilogue: PackedEpilogue, scales: list[ir.Value]) -> EmitPixels:
        def emit(places: Places) -> None:
            (at, _), (output, _), (residual, _) = places
            epilogue.emit(self._loaded(at), scales, output, residual)

        return emit

    def _two(self, epilogue: PackedEpilogue, scales: list[ir.Value]) -> EmitPixels:
        """The second pixel first: where it is outside the image it falls on the first one, which overwrites it."""

        def emit(places: Places) -> None:
            (at, _), *others = places
            sums = [*self._loaded(self.e.plus(at, self.row_bytes)), *self._loaded(at)]
            outputs, residuals = ([self.e.plus(place, step), place] for place, step in others)
            epilogue.emit_two(sums, scales, outputs, residuals)

        return emit

    def _plain(self, scales: list[ir.Value]) -> EmitPixels:
        lanes, size = self.isa.lanes, 1 if self.kind.quantized else 4
        epilogue = EpilogueEmitter(self.e, self.e.arguments[0], self.kind, lanes)

        def emit(places: Places) -> None:
            (at, _), (output, _), (residual, _) = places
            for v, (total, scale) in enumerate(zip(self._loaded(at), scales, strict=True)):
                place = self.e.plus(output, size * lanes * v)
                channels = min(lanes, self.channels - lanes * v)
                epilogue.emit(total, scale, place, self.e.plus(residual, lanes * v), channels)

        return emit
