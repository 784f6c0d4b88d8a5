"""The two transforms of a Winograd convolution F(2x2, 3x3), in vector IR for any instruction set.

``void transform(record, source, target, last_row, ...)``: one patch, all channels. ``source`` is its first pixel,
``last_row`` the bytes from there to the fourth row (where that lies outside, any row: its taps make no valid output),
``target`` the patch's place in tap 0. Reads and writes run past the channels by less than a block; patches are
transformed in order, so that the next one overwrites what is too much.

``void finish(record, products, parameters, output, residual, inside)``: one patch, one panel. Products are float32,
scaled already, or int32 sums that are scaled here (``SUMS``). Bit 0 of ``inside`` says that
the second column is inside the image, bit 1 that the second row is. A pixel outside falls on the one left of or above
it, which then overwrites it: pixels are stored from the last to the first, and after all residuals are read.

Every sum is its own rounding, in the order of ``QWinogradConv2d``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llvmlite import ir

from accelserve.kernels.cpu.microkernels.emit import F32, I8, I16, I32, I64, Emitter, vector
from accelserve.kernels.cpu.microkernels.epilogue import EpilogueEmitter
from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.microkernels.names import ResultKind
from accelserve.kernels.cpu.records import convolution as f
from accelserve.kernels.cpu.records import winograd as w
from accelserve.kernels.cpu.records.frame import PIXEL

Values = Sequence[ir.Value]
Pair = Callable[[ir.Value, ir.Value], ir.Value]

TAPS = 16
_ROUNDED_HIGH_PRODUCT = {16: "llvm.x86.avx512.pmul.hr.sw.512", 8: "llvm.x86.avx2.pmul.hr.sw"}
"""int32 lanes of x86 vectors -> the instruction that multiplies int16, shifts right by 15 and rounds half up."""
_SATURATING_PACK = {16: "llvm.x86.avx512.packuswb.512", 8: "llvm.x86.avx2.packuswb"}
"""Two vectors of int16 to one of uint8, within 128-bit lanes."""


def words_of(isa: InstructionSet) -> int:
    """int16 lanes of a vector."""
    return 2 * isa.lanes


def block_of(isa: InstructionSet) -> int:
    """Channels that one turn of the transform takes."""
    return 2 * words_of(isa)


def emit_transform(name: str, isa: InstructionSet) -> str:
    """LLVM IR of the input's transform."""
    return _Transform(name, isa).text()


class _Transform:
    def __init__(self, name: str, isa: InstructionSet) -> None:
        self.isa, self.words = isa, words_of(isa)
        self.x86 = isa.target.triple.startswith("x86_64") and isa.lanes in _SATURATING_PACK
        self.e = Emitter(name, ("record", "source", "target", "last_row", "unused", "unused_too"))

    def field(self, position: int) -> ir.Value:
        return self.e.load(self.e.plus(self.e.arguments[0], 8 * position), I64, 8)

    def text(self) -> str:
        e = self.e
        _, source, target, last_row = e.arguments[:4]
        row, pixel = self.field(f.ROW_STEP), self.field(w.SOURCE_PIXEL)
        rows = [e.const(0), row, e.times(row, 2), last_row]
        columns = [e.const(0), pixel, e.times(pixel, 2), e.times(pixel, 3)]
        table, tap_bytes = self.field(w.TAP_TABLE), self.field(w.TRANSFORMED_TAP)
        with e.loop(self.field(w.CHANNEL_BLOCKS)) as block:
            at = e.plus(source, e.times(block, 2 * self.words))
            halves = [self._half(at, rows, columns, half * self.words) for half in range(2)]
            place = e.plus(target, e.times(block, 2 * self.words))
            for tap in range(TAPS):
                entry = e.plus(table, 6 * self.words * tap)
                e.store(self._bytes([half[tap] for half in halves], entry, centre=tap == 5), place)
                place = e.builder.add(place, tap_bytes)
        return e.finish()

    def _half(self, at: ir.Value, rows: Values, columns: Values, offset: int) -> list[ir.Value]:
        """The 16 taps of one vector of channels, int16."""
        e, build = self.e, self.e.builder
        kind = vector(I16, self.words)
        pixels = [
            [build.zext(e.load(e.plus(at, r, c, offset), vector(I8, self.words)), kind) for c in columns]
            for r in rows
        ]
        across = [_input_taps(build.add, build.sub, row) for row in pixels]
        down = [_input_taps(build.add, build.sub, [row[j] for row in across]) for j in range(4)]
        return [down[j][i] for i in range(4) for j in range(4)]

    def _bytes(self, halves: Values, entry: ir.Value, *, centre: bool) -> ir.Value:
        """Quantized: ``clamp(rounded high product + zero point)``; sums stay in int16: |v| + 255 < 2**15.

        The zero point of pixels, transformed, is four times itself in tap (1, 1), the ``centre``, and 0 in the others.
        """
        e, build, kind = self.e, self.e.builder, vector(I16, self.words)
        multiplier = e.load(entry, kind, 2 * self.words)
        zero = e.load(e.plus(entry, 2 * self.words), kind, 2 * self.words)
        if centre:
            off = e.load(e.plus(entry, 4 * self.words), kind, 2 * self.words)
            halves = [build.sub(half, off) for half in halves]
        words = [build.add(self._scaled(half, multiplier), zero) for half in halves]
        if self.x86:
            return self._packed(words)
        low, high = e.splat_const(I16, 0, self.words), e.splat_const(I16, 255, self.words)
        bounded = []
        for each in words:
            least = build.select(build.icmp_signed(">", each, low), each, low)
            bounded.append(build.select(build.icmp_signed("<", least, high), least, high))
        both = ir.Constant(vector(I32, 2 * self.words), list(range(2 * self.words)))
        return build.trunc(build.shuffle_vector(bounded[0], bounded[1], both), vector(I8, 2 * self.words))

    def _scaled(self, value: ir.Value, multiplier: ir.Value) -> ir.Value:
        e, build, kind = self.e, self.e.builder, vector(I16, self.words)
        if self.x86:
            return e.call(_ROUNDED_HIGH_PRODUCT[self.isa.lanes], kind, [value, multiplier])
        wide = vector(I32, self.words)
        product = build.mul(build.sext(value, wide), build.sext(multiplier, wide))
        rounded = build.add(product, e.splat_const(I32, 1 << 14, self.words))
        return build.trunc(build.ashr(rounded, e.splat_const(I32, 15, self.words)), kind)

    def _packed(self, words: Values) -> ir.Value:
        """Packing interleaves 128-bit lanes; groups of 8 bytes are put back in order."""
        e, build = self.e, self.e.builder
        packed = e.call(_SATURATING_PACK[self.isa.lanes], vector(I8, 2 * self.words), words)
        groups = self.words // 4
        order = [*range(0, groups, 2), *range(1, groups, 2)]
        kind = vector(I64, groups)
        eights = build.bitcast(packed, kind)
        mask = ir.Constant(vector(I32, groups), order)
        return build.bitcast(
            build.shuffle_vector(eights, ir.Constant(kind, ir.Undefined), mask), vector(I8, 2 * self.words)
        )


def _input_taps(add: Pair, subtract: Pair, d: Values) -> list[ir.Value]:
    return [subtract(d[0], d[2]), add(d[1], d[2]), subtract(d[2], d[1]), subtract(d[1], d[3])]


def emit_finish(name: str, isa: InstructionSet, kind: ResultKind, channels: int, *, sums: bool) -> str:
    """LLVM IR of the result's transform and epilogue, for a panel of ``channels``; ``sums`` if it scales them."""
    return _Finish(name, isa, kind, channels, sums=sums).text()


class _Finish:
    def __init__(
        self, name: str, isa: InstructionSet, kind: ResultKind, channels: int, *, sums: bool
    ) -> None:
        self.isa, self.kind, self.channels, self.sums = isa, kind, channels, sums
        self.padded = -(-channels // isa.lanes) * isa.lanes
        self._parameter_bytes: ir.Value = None
        self.e = Emitter(name, ("record", "products", "parameters", "output", "residual", "inside"))

    def field(self, position: int) -> ir.Value:
        return self.e.load(self.e.plus(self.e.arguments[0], 8 * position), I64, 8)

    def text(self) -> str:
        e, lanes = self.e, self.isa.lanes
        record, products, parameters, output, residual = e.arguments[:5]
        epilogue = EpilogueEmitter(e, record, self.kind, lanes)
        outputs = self._places(output, f.HALO + PIXEL, f.OUTPUT_ROW)
        residuals = self._places(residual, f.RESIDUAL_PIXEL, f.RESIDUAL_ROW)
        tap_bytes = self.field(w.PRODUCTS_TAP)
        self._parameter_bytes = self.field(w.TAP_PARAMETER_BYTES)
        size = 1 if self.kind.quantized else 4
        for v in range(-(-self.channels // lanes)):
            values = self._values(
                e.plus(products, 4 * lanes * v), tap_bytes, e.plus(parameters, 4 * lanes * v)
            )
            stored = [
                epilogue.result(value, e.plus(place, lanes * v))
                for value, place in zip(values, residuals, strict=True)
            ]
            valid = min(lanes, self.channels - lanes * v)
            for value, place in reversed(list(zip(stored, outputs, strict=True))):
                e.store(e.low_lanes(value, valid), e.plus(place, size * lanes * v))
        return e.finish()

    def _places(self, first: ir.Value, pixel: int, row: int) -> list[ir.Value]:
        """Addresses of the patch's four pixels, row by row."""
        e, build = self.e, self.e.builder
        inside = e.arguments[5]
        right = build.mul(self.field(pixel), build.and_(inside, e.const(1)))
        below = build.mul(self.field(row), build.lshr(inside, e.const(1)))
        return [first, e.plus(first, right), e.plus(first, below), e.plus(first, below, right)]

    def _values(self, at: ir.Value, tap_bytes: ir.Value, parameters: ir.Value) -> list[ir.Value]:
        """Steps 4 (what of it is left) and 5 of ``QWinogradConv2d`` for one vector of channels: four pixels, row by row."""
        e, build, kind = self.e, self.e.builder, vector(F32, self.isa.lanes)
        g = []
        for _ in range(TAPS):
            g.append(self._product(at, parameters))
            at = build.add(at, tap_bytes)
            parameters = build.add(parameters, self._parameter_bytes)
        g[5] = build.fadd(g[5], e.load(parameters, kind))
        h = [self._output_taps([g[4 * i + j] for i in range(4)]) for j in range(4)]
        rows = [self._output_taps([h[j][a] for j in range(4)]) for a in range(2)]
        return [value for row in rows for value in row]

    def _product(self, at: ir.Value, parameters: ir.Value) -> ir.Value:
        e, build, lanes = self.e, self.e.builder, self.isa.lanes
        if not self.sums:
            return e.load(at, vector(F32, lanes))
        scale = e.load(e.plus(parameters, 4 * self.padded), vector(F32, lanes))
        return build.fmul(build.sitofp(e.load(at, vector(I32, lanes)), vector(F32, lanes)), scale)

    def _output_taps(self, g: Values) -> list[ir.Value]:
        build = self.e.builder
        return [
            build.fadd(build.fadd(g[0], g[1]), g[2]),
            build.fsub(build.fsub(g[1], g[2]), g[3]),
        ]


__all__ = ["TAPS", "block_of", "emit_finish", "emit_transform", "words_of"]
