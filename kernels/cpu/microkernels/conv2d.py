"""The convolution microkernel: one tile of output pixels by output channels, implicit GEMM over input segments.

``void kernel(record, input, weights, parameters, output, residual)``, all int64. ``input`` is the window's origin of
the tile's first pixel, ``weights`` a panel packed as [segment][group][channel][group's bytes], ``parameters`` int32
bias and float32 scale of the panel's padded channels, ``output`` and ``residual`` the tile's first element. Reads may
run past a segment by less than a group times the unrolling (against zero weights), and past a residual by less than
a vector.
"""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from accelserve.kernels.cpu.microkernels.emit import F32, I8, I16, I32, I64, Emitter, Variable, vector
from accelserve.kernels.cpu.microkernels.epilogue import EpilogueEmitter
from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.microkernels.names import KernelName
from accelserve.kernels.cpu.microkernels.packed_epilogue import PackedEpilogue, is_in_packed_order
from accelserve.kernels.cpu.records import convolution as f
from accelserve.kernels.cpu.records import tiles as t

PREFETCH_BYTES = 4096
"""How far ahead of their use a tile asks for weights."""
LINE_BYTES = 64
ARGUMENTS = ("record", "input", "weights", "parameters", "output", "residual")


def emit_conv2d(name: KernelName, isa: InstructionSet) -> str:
    """LLVM IR of the kernel of that name."""
    return _Conv2d(name, isa).text()


class _Conv2d:
    def __init__(self, name: KernelName, isa: InstructionSet) -> None:
        self.name = name
        self.isa = isa
        self.e = Emitter(str(name), ARGUMENTS)
        self.record, self.input, self.weights, self.parameters, self.output, self.residual = self.e.arguments
        self.vectors = -(-name.channels // isa.lanes)
        self.padded = self.vectors * isa.lanes
        self.vector_bytes = 4 * isa.lanes
        self.dot_bytes = isa.group * isa.activation_bits // 8
        # A packed epilogue takes four vectors of sums.
        self.rows_together = 2 if self.vectors == 2 and is_in_packed_order(name, isa) else 1

    def text(self) -> str:
        rows = [self.e.builder.mul(self.field(f.PIXEL_STEP), self.e.const(m)) for m in range(self.name.rows)]
        accumulators = self._start()
        self._accumulate(accumulators, rows)
        if self.name.op == "split2d":
            self._repair(accumulators, rows)
        self._finish(accumulators)
        return self.e.finish()

    def field(self, position: int) -> ir.Value:
        return self.e.load(self.e.plus(self.record, 8 * position), I64, 8)

    def _start(self) -> list[list[Variable]]:
        """Accumulators begin at the bias."""
        kind = vector(I32, self.isa.lanes)
        biases = [
            self.e.load(self.e.plus(self.parameters, 4 * self.isa.lanes * v), kind)
            for v in range(self.vectors)
        ]
        return [[self.e.variable(bias) for bias in biases] for _ in range(self.name.rows)]

    def _accumulate(self, accumulators: list[list[Variable]], rows: list[ir.Value]) -> None:
        isa, unroll = self.isa, self.name.unroll
        weight_type = vector(I8 if isa.weight_bits == 8 else I16, isa.lanes * isa.group)
        vector_bytes = isa.lanes * isa.group * isa.weight_bits // 8
        step_bytes = vector_bytes * self.vectors
        weights = self.e.variable(self.weights)
        offsets, groups = self.field(f.SEGMENT_OFFSETS), self.field(f.SEGMENT_GROUPS)
        with self.e.loop(self.field(f.SEGMENTS)) as segment:
            start = self.e.load(self.e.plus(offsets, self.e.times(segment, 8)), I64, 8)
            position = self.e.variable(self.e.plus(self.input, start))
            with self.e.loop(groups):
                at, panel = position.get(), weights.get()
                self._prefetch(panel, step_bytes * unroll)
                for u in range(unroll):
                    loaded = [
                        self.e.load(self.e.plus(panel, step_bytes * u + vector_bytes * v), weight_type)
                        for v in range(self.vectors)
                    ]
                    for row, step in zip(accumulators, rows, strict=True):
                        activation = isa.load_activation(self.e, self.e.plus(at, step, self.dot_bytes * u))
                        for accumulator, weight in zip(row, loaded, strict=True):
                            accumulator.set(isa.dot(self.e, accumulator.get(), activation, weight))
                position.set(self.e.plus(at, self.dot_bytes * unroll))
                weights.set(self.e.plus(panel, step_bytes * unroll))

    def _repair(self, accumulators: list[list[Variable]], rows: list[ir.Value]) -> None:
        """What was taken off split weights: behind the parameters stands each vector's first repair and their number."""
        e, build, lanes = self.e, self.e.builder, self.isa.lanes
        weight_bytes = lanes * self.isa.group
        offsets, every_pick, weights = (
            self.field(each) for each in (t.REPAIR_OFFSETS, t.REPAIR_PICKS, t.REPAIR_WEIGHTS)
        )
        for v in range(self.vectors):
            place = e.plus(self.parameters, 8 * self.padded + 8 * v)
            first, count = (build.zext(e.load(e.plus(place, 4 * at), I32), I64) for at in range(2))
            with build.if_then(build.icmp_signed(">", count, e.const(0))), e.loop(count) as turn:
                index = e.plus(first, turn)
                offset = build.sext(e.load(e.plus(offsets, e.times(index, 4)), I32), I64)
                weight = e.load(e.plus(weights, e.times(index, weight_bytes)), vector(I8, weight_bytes))
                picks = e.load(e.plus(every_pick, e.times(index, lanes)), vector(I8, lanes))
                picks = build.zext(picks, vector(I32, lanes))
                for row, step in zip(accumulators, rows, strict=True):
                    groups = e.load(e.plus(self.input, offset, step), vector(I32, lanes))
                    # Lanes are as many as groups in a vector of activations, each an int32.
                    activation = e.call("llvm.x86.avx2.permd", vector(I32, lanes), [groups, picks])
                    row[v].set(self.isa.dot(e, row[v].get(), activation, weight))

    def _prefetch(self, weights: ir.Value, size_bytes: int) -> None:
        """Ask for a later turn's weights."""
        for line in range(0, size_bytes if self.name.prefetch else 0, LINE_BYTES):
            self.e.prefetch(self.e.plus(weights, PREFETCH_BYTES + line))

    def _finish(self, accumulators: list[list[Variable]]) -> None:
        scale_at = self.e.plus(self.parameters, 4 * self.padded)
        scales = [
            self.e.load(self.e.plus(scale_at, 4 * self.isa.lanes * v), vector(F32, self.isa.lanes))
            for v in range(self.vectors)
        ]
        if not is_in_packed_order(self.name, self.isa):
            self._finish_vectors(accumulators, scales)
        elif self.name.result.intermediate or self.name.result.residual:
            self._finish_by_memory(accumulators, scales)
        else:
            self._finish_packed(accumulators, scales)

    def _finish_packed(self, accumulators: list[list[Variable]], scales: list[ir.Value]) -> None:
        epilogue = PackedEpilogue(self.e, self.record, self.name.result, self.isa.lanes)
        output, step = self.output, self.field(f.OUTPUT_PIXEL)
        if self.rows_together == 2:
            for first in range(0, len(accumulators), 2):
                rows = accumulators[first : first + 2]
                outputs = [self.e.plus(output, step)] * (len(rows) - 1)
                sums = [accumulator.get() for row in rows for accumulator in row]
                epilogue.emit_two(sums, scales, [output, *outputs], [])
                output = self.e.plus(output, step, step)
            return
        for row in accumulators:
            epilogue.emit([accumulator.get() for accumulator in row], scales, output, self.residual)
            output = self.e.builder.add(output, step)

    def _finish_by_memory(self, accumulators: list[list[Variable]], scales: list[ir.Value]) -> None:
        """Rows in a loop, by way of memory: a long epilogue needs the registers that accumulators hold.

        Without it LLVM sometimes takes registers for the epilogue's constants before the innermost loop, and spills
        accumulators within it.
        """
        e = self.e
        row_bytes = 4 * self.padded
        sums = e.scratch(row_bytes * self.name.rows)
        for m, row in enumerate(accumulators):
            for v, accumulator in enumerate(row):
                e.store(
                    accumulator.get(), e.plus(sums, row_bytes * m + self.vector_bytes * v), self.vector_bytes
                )
        epilogue = PackedEpilogue(e, self.record, self.name.result, self.isa.lanes)
        places = (
            (sums, e.const(row_bytes)),
            (self.output, self.field(f.OUTPUT_PIXEL)),
            (self.residual, self.field(f.RESIDUAL_PIXEL)),
        )
        moving = [(e.variable(address), step) for address, step in places]
        single = self.name.rows % self.rows_together
        if single:
            self._finish_stored(epilogue, scales, moving, 1)
        if self.name.rows > single:
            with e.loop(e.const(self.name.rows // self.rows_together)):
                self._finish_stored(epilogue, scales, moving, self.rows_together)

    def _finish_stored(
        self,
        epilogue: PackedEpilogue,
        scales: list[ir.Value],
        moving: Sequence[tuple[Variable, ir.Value]],
        rows: int,
    ) -> None:
        """The next rows of stored sums; addresses of sums, output and residual move on."""
        e, kind = self.e, vector(I32, self.isa.lanes)
        places: list[list[ir.Value]] = []
        for address, step in moving:
            places.append([address.get(), e.plus(address.get(), step)][:rows])
            address.set(e.plus(address.get(), *[step] * rows))
        totals = [
            e.load(e.plus(at, self.vector_bytes * v), kind, self.vector_bytes)
            for at in places[0]
            for v in range(self.vectors)
        ]
        if self.rows_together == 1:
            epilogue.emit(totals, scales, places[1][0], places[2][0])
        else:
            epilogue.emit_two(totals, scales, places[1], places[2])

    def _finish_vectors(self, accumulators: list[list[Variable]], scales: list[ir.Value]) -> None:
        lanes, size = self.isa.lanes, 1 if self.name.result.quantized else 4
        epilogue = EpilogueEmitter(self.e, self.record, self.name.result, lanes)
        output_step, residual_step = self.field(f.OUTPUT_PIXEL), self.field(f.RESIDUAL_PIXEL)
        output, residual = self.output, self.residual
        for row in accumulators:
            for v, accumulator in enumerate(row):
                channels = min(lanes, self.name.channels - lanes * v)
                epilogue.emit(
                    accumulator.get(),
                    scales[v],
                    self.e.plus(output, size * lanes * v),
                    self.e.plus(residual, lanes * v),
                    channels,
                )
            output = self.e.builder.add(output, output_step)
            residual = self.e.builder.add(residual, residual_step)
