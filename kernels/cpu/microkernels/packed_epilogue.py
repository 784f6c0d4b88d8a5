"""The epilogue of 64 output channels in four 512-bit vectors: saturating packs do most of the clamping.

Lane ``l`` of vector ``v`` holds channel ``16 * (l // 4) + 4 * v + l % 4`` of the panel (``PACKED_ORDER``), since two
levels of packing within 128-bit lanes then leave 64 bytes in their natural order. The zero point is added to int16
and the bounds applied to bytes: saturation first changes nothing, because 0 <= low <= high <= 255.

A byte becomes float32 without a conversion: under the exponent of 2^23 it is 2^23 and the byte, exactly, from which
2^23 is taken off again; where the byte is multiplied, in the same fused multiply-add, whose only rounding is that of
the product.

Sums that may leave int32 once they are scaled (``ResultKind.wide``) are bounded as float32 before they are converted;
conversion would turn a large positive one into the least integer.
"""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from accelserve.kernels.cpu.microkernels import conv_fields as f
from accelserve.kernels.cpu.microkernels.emit import F32, I1, I8, I16, I32, Emitter, vector
from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.microkernels.names import KernelName, ResultKind

LANES = 16
VECTORS = 4
CHANNELS = LANES * VECTORS
PACKED_ORDER = tuple(16 * (lane // 4) + 4 * v + lane % 4 for v in range(VECTORS) for lane in range(LANES))
"""Position in the four vectors -> channel of the panel."""

_TWO_TO_23 = b"\x00\x00\x00\x4b"
"""As float32, in memory's order."""
_BYTES = vector(I8, CHANNELS)
_WORDS = vector(I16, CHANNELS // 2)
_INTS = vector(I32, LANES)
_FLOATS = vector(F32, LANES)


def packs(isa: InstructionSet, channels: int) -> bool:
    """Whether blocks of so many channels can be packed by this epilogue."""
    return isa.lanes == LANES and channels == CHANNELS and isa.target.triple.startswith("x86_64")


def kind_for(kind: ResultKind, isa: InstructionSet, channels: int) -> ResultKind:
    """The kind in a kernel's name, without what only this epilogue tells apart where blocks cannot be packed."""
    return kind if packs(isa, channels) else kind.unpacked


def is_in_packed_order(name: KernelName, isa: InstructionSet) -> bool:
    """Whether a kernel's weights and parameters are in ``PACKED_ORDER``."""
    return name.result.quantised and packs(isa, name.channels)


class PackedEpilogue:
    """Emits rows of one kernel; record fields are loaded once, when it is made."""

    def __init__(self, emitter: Emitter, record: ir.Value, kind: ResultKind) -> None:
        self._emitter = emitter
        self._record = record
        self._kind = kind
        if not kind.saturates:
            self._zero_point = self._splat(f.ZERO_POINT, I16, CHANNELS // 2)
            self._low = self._splat(f.LOW_BYTE, I8, CHANNELS)
            self._high = self._splat(f.HIGH_BYTE, I8, CHANNELS)
        if kind.wide:
            self._bounds = self._splat(f.LOW, F32, LANES), self._splat(f.HIGH, F32, LANES)
        if kind.intermediate:
            fields = (f.MID_LOW, f.MID_HIGH, f.MID_MULTIPLIER)
            self._mid_low, self._mid_high, self._mid_multiplier = (self._splat(x, F32, LANES) for x in fields)
        if kind.residual:
            self._residual_multiplier = self._splat(f.RESIDUAL_MULTIPLIER, F32, LANES)
            self._first_bytes = self._mask_of_first_bytes()
            self._residual_offset = self._offset_of_residual()

    def _mask_of_first_bytes(self) -> ir.Value:
        """Which bytes of four int32 vectors are the first of their lane, as a mask that is not known to the compiler.

        A constant one would become a shuffle of two operands, which takes an instruction more than a masked one.
        """
        nought = self._emitter.builder.lshr(self._record, self._emitter.const(63))  # addresses are below 2^63
        bits = self._emitter.plus(nought, int.from_bytes(b"\x11" * 8, "little"))
        return self._emitter.builder.bitcast(bits, vector(I1, CHANNELS))

    def _offset_of_residual(self) -> ir.Value:
        """What is taken off: from the product if the zero point is 0, else from the byte before it is multiplied."""
        build, two_to_23 = self._emitter.builder, self._emitter.splat_const(F32, 2.0**23, LANES)
        if self._kind.residual_from_zero:
            return build.fneg(build.fmul(self._residual_multiplier, two_to_23))
        return build.fadd(build.sitofp(self._splat(f.RESIDUAL_ZERO, I32, LANES), _FLOATS), two_to_23)

    def _splat(self, field: int, kind: ir.Type, lanes: int) -> ir.Value:
        return self._emitter.splat(
            self._emitter.load(self._emitter.plus(self._record, 8 * field), kind), lanes
        )

    def _bounded(self, value: ir.Value, low: ir.Value, high: ir.Value) -> ir.Value:
        build = self._emitter.builder
        value = build.select(build.fcmp_ordered(">", value, low), value, low)
        return build.select(build.fcmp_ordered("<", value, high), value, high)

    def _rounded(self, value: ir.Value) -> ir.Value:
        return self._emitter.call("llvm.lrint.v16i32.v16f32", _INTS, [value])

    def emit(
        self, sums: Sequence[ir.Value], scales: Sequence[ir.Value], output: ir.Value, residual: ir.Value
    ) -> None:
        """Store 64 bytes for four vectors of int32 sums; ``output`` and ``residual`` are addresses."""
        others = self._residual_terms(residual) if self._kind.residual else [None] * VECTORS
        self.store([self._value(*each) for each in zip(sums, scales, others, strict=True)], output)

    def store(self, values: Sequence[ir.Value], output: ir.Value) -> None:
        """Bound, round and store 64 bytes for four vectors of float32."""
        e = self._emitter
        if self._kind.wide:
            values = [self._bounded(value, *self._bounds) for value in values]
        wholes = [self._rounded(value) for value in values]
        words = []
        for pair in (wholes[:2], wholes[2:]):
            packed = e.call("llvm.x86.avx512.packssdw.512", _WORDS, pair)
            if not self._kind.saturates:
                packed = e.call("llvm.sadd.sat.v32i16", _WORDS, [packed, self._zero_point])
            words.append(packed)
        stored = e.call("llvm.x86.avx512.packuswb.512", _BYTES, words)
        if not self._kind.saturates:
            stored = e.call("llvm.umax.v64i8", _BYTES, [stored, self._low])
            stored = e.call("llvm.umin.v64i8", _BYTES, [stored, self._high])
        e.store(stored, output)

    def _value(self, total: ir.Value, scale: ir.Value, other: ir.Value | None) -> ir.Value:
        build = self._emitter.builder
        value = build.fmul(build.sitofp(total, _FLOATS), scale)
        if self._kind.intermediate:
            whole = self._rounded(self._bounded(value, self._mid_low, self._mid_high))
            value = build.fmul(build.sitofp(whole, _FLOATS), self._mid_multiplier)
        if other is not None:
            value = build.fadd(value, other)
        return value

    def _residual_terms(self, address: ir.Value) -> list[ir.Value]:
        e, build = self._emitter, self._emitter.builder
        exponents = ir.Constant(_BYTES, list(_TWO_TO_23) * LANES)
        terms = []
        for lanes in self._spread(address):
            value = build.bitcast(build.select(self._first_bytes, lanes, exponents), _FLOATS)
            if self._kind.residual_from_zero:
                factors = [value, self._residual_multiplier, self._residual_offset]
                terms.append(e.call("llvm.fma.v16f32", _FLOATS, factors))
            else:
                terms.append(build.fmul(build.fsub(value, self._residual_offset), self._residual_multiplier))
        return terms

    def widened(self, address: ir.Value) -> list[ir.Value]:
        """The 64 bytes at an address as four vectors of int32, in the packed order."""
        return [self._emitter.builder.bitcast(lanes, _INTS) for lanes in self._spread(address)]

    def _spread(self, address: ir.Value) -> list[ir.Value]:
        """The 64 bytes at an address, each the first of four in four vectors of 64 bytes; the others are 0."""
        build, stored = self._emitter.builder, self._emitter.load(address, _BYTES)
        zeros = ir.Constant(_BYTES, [0] * CHANNELS)
        vectors = []
        for v in range(VECTORS):
            picks = [
                index
                for channel in PACKED_ORDER[LANES * v : LANES * (v + 1)]
                for index in (channel, 64, 64, 64)
            ]
            vectors.append(build.shuffle_vector(stored, zeros, ir.Constant(vector(I32, CHANNELS), picks)))
        return vectors
