"""The depthwise convolution microkernel: pixels of a row, block of channels by block.

``void kernel(record, source, output, residual, pixels, unused)``, all int64. ``source`` is the window's origin of the
first pixel, ``output`` and ``residual`` the first pixel's first element.

A dot product adds up several taps of one channel here, where it adds up channels of one tap elsewhere: the bytes of as
many taps as it takes are interleaved. Weights are packed as [block][dot product][channel][tap], with zeros for taps
beyond the last; parameters are int32 bias and float32 scale, block by block. Blocks are those of ``elements``: where
channels do not fill them, some channels are computed twice.
"""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from accelserve.kernels.cpu.microkernels.emit import F32, I8, I16, I32, I64, Emitter, vector
from accelserve.kernels.cpu.microkernels.epilogue import EpilogueEmitter
from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.microkernels.names import KernelName
from accelserve.kernels.cpu.microkernels.packed_epilogue import PackedEpilogue, is_in_packed_order
from accelserve.kernels.cpu.records import convolution as f

ARGUMENTS = ("record", "source", "output", "residual", "pixels", "unused")
LANE_BYTES = 16
"""Bytes of the part of a vector within which x86 interleaves."""


def emit_depthwise(name: KernelName, isa: InstructionSet) -> str:
    """LLVM IR of the kernel of that name, whose ``unroll`` is the taps of the window."""
    return _Depthwise(name, isa).text()


class _Depthwise:
    def __init__(self, name: KernelName, isa: InstructionSet) -> None:
        self.name, self.isa, self.lanes = name, isa, isa.lanes
        self.e = Emitter(str(name), ARGUMENTS)
        self.record, self.source, self.output, self.residual, self.pixels, _ = self.e.arguments
        self.vectors = -(-name.channels // isa.lanes)
        self.dots = -(-name.unroll // isa.group)
        in_order = is_in_packed_order(name, isa)
        self.packed = PackedEpilogue(self.e, self.record, name.result, isa.lanes) if in_order else None
        self.plain = EpilogueEmitter(self.e, self.record, name.result, isa.lanes)
        self.size = 1 if name.result.quantized else 4

    def field(self, position: int) -> ir.Value:
        return self.e.load(self.e.plus(self.record, 8 * position), I64, 8)

    def text(self) -> str:
        e, build = self.e, self.e.builder
        channels, block = self.field(f.GROUPS), e.const(self.name.channels)
        offsets = self.field(f.SEGMENT_OFFSETS)
        taps = [e.load(e.plus(offsets, 8 * tap), I64, 8) for tap in range(self.name.unroll)]
        with e.loop(build.sdiv(e.plus(channels, self.name.channels - 1), block)) as index:
            first, last = e.times(index, self.name.channels), build.sub(channels, block)
            channel = build.select(build.icmp_signed("<", first, last), first, last)
            self._block(index, channel, taps)
        return e.finish()

    def _block(self, index: ir.Value, channel: ir.Value, taps: Sequence[ir.Value]) -> None:
        e = self.e
        weights = e.plus(self.field(f.WEIGHTS), e.builder.mul(index, self.field(f.PANEL_BYTES)))
        parameters = e.plus(self.field(f.PARAMETERS), e.builder.mul(index, self.field(f.PARAMETER_BYTES)))
        floats, integers = vector(F32, self.lanes), vector(I32, self.lanes)
        step = 4 * self.lanes
        biases = [e.load(e.plus(parameters, step * v), integers) for v in range(self.vectors)]
        scales = [e.load(e.plus(parameters, step * (self.vectors + v)), floats) for v in range(self.vectors)]
        source = e.variable(e.plus(self.source, channel))
        output = e.variable(e.plus(self.output, e.times(channel, self.size)))
        residual = e.variable(e.plus(self.residual, channel))
        moving = ((source, f.PIXEL_STEP), (output, f.OUTPUT_PIXEL), (residual, f.RESIDUAL_PIXEL))
        steps = [(variable, self.field(step)) for variable, step in moving]
        with e.loop(self.pixels):
            sums = self._sums(source.get(), taps, weights, biases)
            self._finish(sums, scales, output.get(), residual.get())
            for variable, pixel in steps:
                variable.set(e.builder.add(variable.get(), pixel))

    def _sums(
        self, source: ir.Value, taps: Sequence[ir.Value], weights: ir.Value, sums: list[ir.Value]
    ) -> list[ir.Value]:
        e, isa = self.e, self.isa
        kind = vector(I8 if isa.weight_bits == 8 else I16, self.lanes * isa.group)
        size = self.lanes * isa.group * isa.weight_bits // 8
        for dot in range(self.dots):
            some = [e.plus(source, tap) for tap in taps[dot * isa.group : (dot + 1) * isa.group]]
            activations = self._interleaved(some)
            places = [e.plus(weights, size * (dot * self.vectors + v)) for v in range(self.vectors)]
            sums = [
                isa.dot(e, total, activation, e.load(place, kind))
                for total, activation, place in zip(sums, activations, places, strict=True)
            ]
        return sums

    def _interleaved(self, taps: Sequence[ir.Value]) -> list[ir.Value]:
        """Bytes of a dot product's taps, channel by channel, as the instruction set's activations."""
        e = self.e
        if self.packed is not None:
            return self._interleaved_within_lanes([e.load(tap, vector(I8, 4 * self.lanes)) for tap in taps])
        result = []
        for v in range(self.vectors):
            parts = [e.load(e.plus(tap, self.lanes * v), vector(I8, self.lanes)) for tap in taps]
            result.append(self._activation(_zip(e, self._whole_dot(parts))))
        return result

    def _whole_dot(self, parts: list[ir.Value]) -> list[ir.Value]:
        nothing = ir.Constant(parts[0].type, [0] * parts[0].type.count)
        return parts + [nothing] * (self.isa.group - len(parts))

    def _activation(self, joined: ir.Value) -> ir.Value:
        build = self.e.builder
        if self.isa.group == 1:
            return build.zext(joined, vector(I32, self.lanes))
        return joined if self.isa.weight_bits == 8 else build.zext(joined, vector(I16, joined.type.count))

    def _interleaved_within_lanes(self, parts: list[ir.Value]) -> list[ir.Value]:
        """Two levels of unpacking within 128-bit lanes, which leaves channels in ``block_order``."""
        if self.isa.weight_bits == 16:
            return self._widened_within_lanes(*self._whole_dot(parts))
        a, b, c, d = self._whole_dot(parts)
        result = []
        for half in range(2):
            left, right = (self._unpacked(x, y, 1, half) for x, y in ((a, b), (c, d)))
            result += [self._unpacked(left, right, 2, quarter) for quarter in range(2)]
        return result

    def _widened_within_lanes(self, a: ir.Value, b: ir.Value) -> list[ir.Value]:
        """Pairs of int16: the second level puts zeros beside the bytes."""
        zeros = ir.Constant(a.type, [0] * a.type.count)
        halves = [self._unpacked(a, b, 1, half) for half in range(2)]
        quarters = [self._unpacked(half, zeros, 1, quarter) for half in halves for quarter in range(2)]
        return [self.e.builder.bitcast(each, vector(I16, each.type.count // 2)) for each in quarters]

    def _unpacked(self, x: ir.Value, y: ir.Value, unit: int, half: int) -> ir.Value:
        """One half of every lane of two vectors, units of bytes in turn (punpckl, punpckh)."""
        count = x.type.count
        picks = []
        for lane in range(0, count, LANE_BYTES):
            start = lane + half * LANE_BYTES // 2
            for at in range(start, start + LANE_BYTES // 2, unit):
                picks += [*range(at, at + unit), *range(count + at, count + at + unit)]
        return self.e.builder.shuffle_vector(x, y, ir.Constant(vector(I32, count), picks))

    def _finish(
        self, sums: Sequence[ir.Value], scales: Sequence[ir.Value], output: ir.Value, residual: ir.Value
    ) -> None:
        if self.packed is not None:
            self.packed.emit(sums, scales, output, residual)
            return
        for v, (total, scale) in enumerate(zip(sums, scales, strict=True)):
            channels = min(self.lanes, self.name.channels - self.lanes * v)
            place = self.e.plus(output, self.size * self.lanes * v)
            self.plain.emit(total, scale, place, self.e.plus(residual, self.lanes * v), channels)


def _zip(e: Emitter, parts: Sequence[ir.Value]) -> ir.Value:
    """The bytes of 1, 2 or 4 vectors in turn."""
    if len(parts) == 1:
        return parts[0]
    # Even and odd vectors first: a c and b d make a b c d.
    left, right = _zip(e, parts[0::2]), _zip(e, parts[1::2])
    count = left.type.count
    picks = [index for at in range(count) for index in (at, count + at)]
    return e.builder.shuffle_vector(left, right, ir.Constant(vector(I32, 2 * count), picks))


__all__ = ["emit_depthwise"]
