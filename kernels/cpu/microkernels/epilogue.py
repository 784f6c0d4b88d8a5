"""From int32 accumulators to the stored result, in generic vector IR.

Every operation is its own rounding: there is no ``contract`` flag anywhere, so LLVM fuses nothing. The clamp comes
before the conversion, where it is exact for whole bounds and saves the conversion from overflow.
"""

from __future__ import annotations

from llvmlite import ir

from accelserve.kernels.cpu.microkernels.emit import F32, I8, I32, Emitter, vector
from accelserve.kernels.cpu.microkernels.names import ResultKind
from accelserve.kernels.cpu.records import epilogue as f


class EpilogueEmitter:
    """Emits the epilogue of one kernel; record fields are loaded once, when it is made."""

    def __init__(self, emitter: Emitter, record: ir.Value, kind: ResultKind, lanes: int) -> None:
        self._emitter = emitter
        self._kind = kind
        self._lanes = lanes
        self._record = record
        if kind.quantized:
            self._low, self._high = self._float_field(f.LOW), self._float_field(f.HIGH)
            self._zero_point = self._splat_field(f.ZERO_POINT, I32)
        if kind.intermediate:
            self._mid = [self._float_field(x) for x in (f.MID_LOW, f.MID_HIGH, f.MID_MULTIPLIER)]
        if kind.residual:
            self._residual_zero = self._splat_field(f.RESIDUAL_ZERO, I32)
            self._residual_multiplier = self._float_field(f.RESIDUAL_MULTIPLIER)

    def _splat_field(self, field: int, kind: ir.Type) -> ir.Value:
        return self._emitter.splat(
            self._emitter.load(self._emitter.plus(self._record, 8 * field), kind, 8), self._lanes
        )

    def _float_field(self, field: int) -> ir.Value:
        return self._splat_field(field, F32)

    def bounded(self, value: ir.Value, low: ir.Value, high: ir.Value) -> ir.Value:
        """``min(max(value, low), high)`` of float vectors."""
        build = self._emitter.builder
        value = build.select(build.fcmp_ordered(">", value, low), value, low)
        return build.select(build.fcmp_ordered("<", value, high), value, high)

    def rounded(self, value: ir.Value) -> ir.Value:
        """Half to even, as int32; the value fits."""
        lanes = self._lanes
        return self._emitter.call(f"llvm.lrint.v{lanes}i32.v{lanes}f32", vector(I32, lanes), [value])

    def emit(
        self, accumulator: ir.Value, scale: ir.Value, output: ir.Value, residual: ir.Value, channels: int
    ) -> None:
        """Store the first ``channels`` lanes of one vector; ``output`` and ``residual`` are addresses."""
        build = self._emitter.builder
        value = build.fmul(build.sitofp(accumulator, vector(F32, self._lanes)), scale)
        stored = self.result(value, residual)
        self._emitter.store(self._emitter.low_lanes(stored, channels), output)

    def result(self, value: ir.Value, residual: ir.Value) -> ir.Value:
        """What is stored for one vector of scaled sums, float32 or uint8; ``residual`` is an address."""
        build, lanes = self._emitter.builder, self._lanes
        if not self._kind.quantized:
            return value
        if self._kind.intermediate:
            low, high, multiplier = self._mid
            whole = build.sitofp(self.rounded(self.bounded(value, low, high)), vector(F32, lanes))
            value = build.fmul(whole, multiplier)
        if self._kind.residual:
            value = build.fadd(value, self._residual_term(residual))
        whole = build.add(self.rounded(self.bounded(value, self._low, self._high)), self._zero_point)
        return build.trunc(whole, vector(I8, lanes))

    def _residual_term(self, address: ir.Value) -> ir.Value:
        build, lanes = self._emitter.builder, self._lanes
        stored = build.zext(self._emitter.load(address, vector(I8, lanes)), vector(I32, lanes))
        centred = build.sitofp(build.sub(stored, self._residual_zero), vector(F32, lanes))
        return build.fmul(centred, self._residual_multiplier)
