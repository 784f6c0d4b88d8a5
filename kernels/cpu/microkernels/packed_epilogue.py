"""The epilogue of four x86 vectors of sums at once: saturating packs do most of the clamping.

A *block* is what four vectors hold, 64 bytes of AVX-512 and 32 of AVX2: of one pixel where its channels fill them
(``block_order``), or of two neighbouring pixels where a panel is two vectors wide (``panel_order``). Packing works within
128-bit lanes, so lanes hold channels in an order that two levels of it turn into the natural one. The zero point is
added to int16 and the bounds applied to bytes: saturation first changes nothing, because 0 <= low <= high <= 255.

On AVX-512 a byte becomes float32 without a conversion: under the exponent of 2^23 it is 2^23 and the byte, exactly, from
which 2^23 is taken off again; where the byte is multiplied, in the same fused multiply-add, whose only rounding is that
of the product. AVX2 has no masked shuffle that would make this worth it, and converts.

Sums that may leave int32 once they are scaled (``ResultKind.wide``) are bounded as float32 before they are converted;
conversion would turn a large positive one into the least integer.
"""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from accelserve.kernels.cpu.microkernels.emit import F32, I1, I8, I16, I32, I64, Emitter, vector
from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.microkernels.names import KernelName, ResultKind
from accelserve.kernels.cpu.records import epilogue as f

VECTORS = 4
CHANNELS = 64
"""Of a block of AVX-512."""
_PANEL_VECTORS = {16: 4, 8: 2}
"""int32 lanes of a vector -> vectors of a panel of a convolution."""
_PACK_WORDS = {16: "llvm.x86.avx512.packssdw.512", 8: "llvm.x86.avx2.packssdw"}
_PACK_BYTES = {16: "llvm.x86.avx512.packuswb.512", 8: "llvm.x86.avx2.packuswb"}
_TWO_TO_23 = b"\x00\x00\x00\x4b"
"""As float32, in memory's order."""


def _order(lanes: int, vectors: int) -> tuple[int, ...]:
    return tuple(
        4 * vectors * (lane // 4) + 4 * v + lane % 4 for v in range(vectors) for lane in range(lanes)
    )


PACKED_ORDER = _order(16, 4)
"""Position in the four vectors of AVX-512 -> channel of the block."""


def block_order(isa: InstructionSet) -> tuple[int, ...]:
    """Position in the four vectors -> channel of the block."""
    return _order(isa.lanes, VECTORS)


def panel_order(isa: InstructionSet) -> tuple[int, ...]:
    """Position in the vectors of a panel -> channel of the panel."""
    return _order(isa.lanes, _PANEL_VECTORS[isa.lanes])


def _has_packs(isa: InstructionSet) -> bool:
    return isa.lanes in _PANEL_VECTORS and isa.target.triple.startswith("x86_64")


def packs(isa: InstructionSet, channels: int) -> bool:
    """Whether blocks of so many channels of one pixel can be packed by this epilogue."""
    return _has_packs(isa) and channels == VECTORS * isa.lanes


def packs_panels(isa: InstructionSet, channels: int) -> bool:
    """Whether panels of so many channels can."""
    return _has_packs(isa) and channels == _PANEL_VECTORS[isa.lanes] * isa.lanes


def kind_for(kind: ResultKind, isa: InstructionSet, channels: int) -> ResultKind:
    """The kind in a kernel's name, without what only this epilogue tells apart where it cannot be used."""
    return kind if packs(isa, channels) or packs_panels(isa, channels) else kind.unpacked


def is_in_packed_order(name: KernelName, isa: InstructionSet) -> bool:
    """Whether a kernel's weights and parameters are in ``panel_order``, of a depthwise one in ``block_order``."""
    fits = packs if name.op == "dwconv2d" else packs_panels
    return name.result.quantized and fits(isa, name.channels)


class PackedEpilogue:
    """Emits rows of one kernel; record fields are loaded once, when it is made."""

    def __init__(self, emitter: Emitter, record: ir.Value, kind: ResultKind, lanes: int) -> None:
        self._emitter = emitter
        self._record = record
        self._kind = kind
        self._lanes, self._size = lanes, VECTORS * lanes
        self._bytes, self._words = vector(I8, self._size), vector(I16, self._size // 2)
        self._ints, self._floats = vector(I32, lanes), vector(F32, lanes)
        if not kind.saturates:
            self._zero_point = self._splat(f.ZERO_POINT, I16, self._size // 2)
            self._low = self._splat(f.LOW_BYTE, I8, self._size)
            self._high = self._splat(f.HIGH_BYTE, I8, self._size)
        if kind.wide:
            self._bounds = self._splat(f.LOW, F32, lanes), self._splat(f.HIGH, F32, lanes)
        if kind.intermediate:
            fields = (f.MID_LOW, f.MID_HIGH, f.MID_MULTIPLIER)
            self._mid_low, self._mid_high, self._mid_multiplier = (self._splat(x, F32, lanes) for x in fields)
        if kind.residual:
            self._residual_multiplier = self._splat(f.RESIDUAL_MULTIPLIER, F32, lanes)
            self._residual_offset = self._offset_of_residual()
        if kind.residual and self._masked:
            self._first_bytes = self._mask_of_first_bytes()

    @property
    def _masked(self) -> bool:
        """Whether shuffles have masks."""
        return self._lanes == CHANNELS // VECTORS

    def _mask_of_first_bytes(self) -> ir.Value:
        """Which bytes of four int32 vectors are the first of their lane, as a mask that is not known to the compiler.

        A constant one would become a shuffle of two operands, which takes an instruction more than a masked one.
        """
        nought = self._emitter.builder.lshr(self._record, self._emitter.const(63))  # addresses are below 2^63
        bits = self._emitter.plus(nought, int.from_bytes(b"\x11" * 8, "little"))
        return self._emitter.builder.bitcast(bits, vector(I1, CHANNELS))

    def _offset_of_residual(self) -> ir.Value:
        """What is taken off: from the product if the zero point is 0, else from the byte before it is multiplied."""
        build, two_to_23 = self._emitter.builder, self._emitter.splat_const(F32, 2.0**23, self._lanes)
        zero = self._splat(f.RESIDUAL_ZERO, I32, self._lanes)
        if not self._masked:
            return zero
        if self._kind.residual_from_zero:
            return build.fneg(build.fmul(self._residual_multiplier, two_to_23))
        return build.fadd(build.sitofp(zero, self._floats), two_to_23)

    def _splat(self, field: int, kind: ir.Type, lanes: int) -> ir.Value:
        return self._emitter.splat(
            self._emitter.load(self._emitter.plus(self._record, 8 * field), kind), lanes
        )

    def _bounded(self, value: ir.Value, low: ir.Value, high: ir.Value) -> ir.Value:
        build = self._emitter.builder
        value = build.select(build.fcmp_ordered(">", value, low), value, low)
        return build.select(build.fcmp_ordered("<", value, high), value, high)

    def _rounded(self, value: ir.Value) -> ir.Value:
        lanes = self._lanes
        return self._emitter.call(f"llvm.lrint.v{lanes}i32.v{lanes}f32", self._ints, [value])

    def emit(
        self, sums: Sequence[ir.Value], scales: Sequence[ir.Value], output: ir.Value, residual: ir.Value
    ) -> None:
        """Store a block for four vectors of int32 sums; ``output`` and ``residual`` are addresses."""
        others = self._residual_terms([residual]) if self._kind.residual else [None] * VECTORS
        self.store([self._value(*each) for each in zip(sums, scales, others, strict=True)], output)

    def emit_two(
        self,
        sums: Sequence[ir.Value],
        scales: Sequence[ir.Value],
        outputs: Sequence[ir.Value],
        residuals: Sequence[ir.Value],
    ) -> None:
        """Store a panel of two vectors of one pixel or of two.

        Args:
            sums: int32, two vectors a pixel.
            scales: of the two vectors.
            outputs: an address a pixel.
            residuals: the same; of kinds without a residual it is not looked at.
        """
        pixels = len(outputs)
        # A single pixel is computed twice and stored once.
        others = (
            self._residual_terms(list(residuals) * (3 - pixels)) if self._kind.residual else [None] * VECTORS
        )
        every = zip(list(sums) * (3 - pixels), list(scales) * 2, others, strict=True)
        stored = self._bytes_of([self._value(*each) for each in every])
        # Each 128-bit lane holds eight bytes of the first pixel and eight of the second.
        e, kind = self._emitter, vector(I64, self._size // 8)
        eights = e.builder.bitcast(stored, kind)
        for pixel, output in enumerate(outputs):
            picks = ir.Constant(vector(I32, 2), [pixel, 2 + pixel])
            half = e.builder.shuffle_vector(eights, ir.Constant(kind, ir.Undefined), picks)
            e.store(e.builder.bitcast(half, vector(I8, self._size // 2)), output)

    def store(self, values: Sequence[ir.Value], output: ir.Value) -> None:
        """Bound, round and store a block for four vectors of float32."""
        self._emitter.store(self._bytes_of(values), output)

    def _bytes_of(self, values: Sequence[ir.Value]) -> ir.Value:
        e = self._emitter
        if self._kind.wide:
            values = [self._bounded(value, *self._bounds) for value in values]
        wholes = [self._rounded(value) for value in values]
        words = []
        for pair in (wholes[:2], wholes[2:]):
            packed = e.call(_PACK_WORDS[self._lanes], self._words, pair)
            if not self._kind.saturates:
                packed = e.call(
                    f"llvm.sadd.sat.v{self._size // 2}i16", self._words, [packed, self._zero_point]
                )
            words.append(packed)
        stored = e.call(_PACK_BYTES[self._lanes], self._bytes, words)
        if not self._kind.saturates:
            stored = e.call(f"llvm.umax.v{self._size}i8", self._bytes, [stored, self._low])
            stored = e.call(f"llvm.umin.v{self._size}i8", self._bytes, [stored, self._high])
        return stored

    def _value(self, total: ir.Value, scale: ir.Value, other: ir.Value | None) -> ir.Value:
        build = self._emitter.builder
        value = build.fmul(build.sitofp(total, self._floats), scale)
        if self._kind.intermediate:
            # As float32 all the way: its bounds are whole and small.
            bounded = self._bounded(value, self._mid_low, self._mid_high)
            whole = self._emitter.call(f"llvm.rint.v{self._lanes}f32", self._floats, [bounded])
            value = build.fmul(whole, self._mid_multiplier)
        if other is not None:
            value = build.fadd(value, other)
        return value

    def _residual_terms(self, addresses: Sequence[ir.Value]) -> list[ir.Value]:
        """Of a block at one address, or of two pixels' panels at two."""
        spread = self._spread(addresses)
        if self._masked:
            return [self._masked_term(lanes) for lanes in spread]
        build = self._emitter.builder
        terms = []
        for lanes in spread:
            whole = build.bitcast(lanes, self._ints)
            if not self._kind.residual_from_zero:
                whole = build.sub(whole, self._residual_offset)
            terms.append(build.fmul(build.sitofp(whole, self._floats), self._residual_multiplier))
        return terms

    def _masked_term(self, lanes: ir.Value) -> ir.Value:
        e, build = self._emitter, self._emitter.builder
        exponents = ir.Constant(self._bytes, list(_TWO_TO_23) * self._lanes)
        value = build.bitcast(build.select(self._first_bytes, lanes, exponents), self._floats)
        if self._kind.residual_from_zero:
            factors = [value, self._residual_multiplier, self._residual_offset]
            return e.call("llvm.fma.v16f32", self._floats, factors)
        return build.fmul(build.fsub(value, self._residual_offset), self._residual_multiplier)

    def widened(self, address: ir.Value) -> list[ir.Value]:
        """The block at an address as four vectors of int32, in ``block_order``."""
        return [self._emitter.builder.bitcast(lanes, self._ints) for lanes in self._spread([address])]

    def _spread(self, addresses: Sequence[ir.Value]) -> list[ir.Value]:
        """The bytes at the addresses, each the first of four in four vectors of bytes; the others are 0."""
        build = self._emitter.builder
        zeros = ir.Constant(self._bytes, [0] * self._size)
        each = VECTORS // len(addresses)
        order = _order(self._lanes, each)
        vectors = []
        for address in addresses:
            stored = self._loaded(address, each * self._lanes)
            for v in range(each):
                picks = [
                    index
                    for channel in order[self._lanes * v : self._lanes * (v + 1)]
                    for index in (channel, self._size, self._size, self._size)
                ]
                vectors.append(
                    build.shuffle_vector(stored, zeros, ir.Constant(vector(I32, self._size), picks))
                )
        return vectors

    def _loaded(self, address: ir.Value, count: int) -> ir.Value:
        """``count`` bytes in a vector of a block's."""
        stored = self._emitter.load(address, vector(I8, count))
        if count == self._size:
            return stored
        picks = ir.Constant(vector(I32, self._size), [min(at, count) for at in range(self._size)])
        return self._emitter.builder.shuffle_vector(stored, ir.Constant(stored.type, [0] * count), picks)
