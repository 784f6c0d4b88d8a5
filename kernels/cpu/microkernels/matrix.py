"""The convolution microkernel on AMX tiles: up to two tiles of output pixels by a panel of up to 64 channels.

``void kernel(record, input, weights, parameters, output, residual, column, pixels)``, all int64. Output pixels are
*positions*, counted along rows of ``PITCH`` columns of which the first ``COLUMNS`` are pixels; the block takes
``pixels`` positions from column ``column`` on. ``input`` is the window's origin of the first one; positions of a tile
lie ``PIXEL_STEP`` apart and the second tile ``TILE_STEP`` after the first. Where a window moves by one pixel, a frame's
halo makes whole images one such run, and what lies between two rows is computed and thrown away.

Tile registers: 0-3 sums (pixels by channels), 4-5 input of 64 channels a pixel, 6-7 weights of 64 channels by 16.
Sums start at the bias, which a tile load of stride 0 repeats down the rows. Weights are packed in sub-panels of 32
channels as [segment][group of 4 channels][channel][4], segments padded to 64.
"""

from __future__ import annotations

from llvmlite import ir

from accelserve.kernels.cpu.microkernels import conv_fields as f
from accelserve.kernels.cpu.microkernels.emit import F32, I8, I32, I64, Emitter, Variable, vector
from accelserve.kernels.cpu.microkernels.epilogue import EpilogueEmitter
from accelserve.kernels.cpu.microkernels.names import KernelName
from accelserve.kernels.cpu.microkernels.packed_epilogue import CHANNELS, PackedEpilogue

ARGUMENTS = ("record", "input", "weights", "parameters", "output", "residual", "column", "pixels")
LANES = 16
STEP_BYTES = 64
"""Input channels that one multiplication of tiles takes."""
SUB_PANEL = 32
MOST_ROWS = 16
SUM, INPUT, WEIGHT = 0, 4, 6


def emit_matrix_conv2d(name: KernelName) -> str:
    """LLVM IR of the kernel of that name; its rows are those of one tile or of two."""
    return _Matrix(name).text()


def emit_tile_configuration(name: str) -> str:
    """``void name(address)``: configure the tile registers by the 64 bytes there."""
    e = Emitter(name, ("address",))
    pointer = e.builder.inttoptr(e.arguments[0], I8.as_pointer())
    e.call("llvm.x86.ldtilecfg", ir.VoidType(), [pointer])
    return e.finish()


def emit_tile_release(name: str) -> str:
    """``void name(unused)``: leave the tile registers, so that switching threads need not save them."""
    e = Emitter(name, ("unused",))
    e.call("llvm.x86.tilerelease", ir.VoidType(), [])
    return e.finish()


class _Matrix:
    def __init__(self, name: KernelName) -> None:
        self.name = name
        self.e = Emitter(str(name), ARGUMENTS)
        (
            self.record,
            self.input,
            self.weights,
            self.parameters,
            self.output,
            self.residual,
            self.column,
            self.pixels,
        ) = self.e.arguments
        self.tiles = name.tiles
        self.tile_rows = name.rows // self.tiles
        self.vectors = -(-name.channels // LANES)
        self.row_bytes = 64 * self.vectors
        self.sums = self.e.scratch(self.row_bytes * self.tile_rows * self.tiles)

    def text(self) -> str:
        weights = self.e.variable(self.weights)
        for first in range(0, self.vectors, 2):
            self._multiply(weights, first, min(2, self.vectors - first))
        self._finish()
        return self.e.finish()

    def field(self, position: int) -> ir.Value:
        return self.e.load(self.e.plus(self.record, 8 * position), I64, 8)

    def _tile(self, name: str, *operands: ir.Value | int) -> None:
        values = [ir.Constant(I8, each) if isinstance(each, int) else each for each in operands]
        self.e.call(f"llvm.x86.{name}", ir.VoidType(), values)

    def _load(self, tile: int, address: ir.Value, stride: ir.Value) -> None:
        self._tile("tileloadd64", tile, self.e.builder.inttoptr(address, I8.as_pointer()), stride)

    def _multiply(self, weights: Variable, first: int, width: int) -> None:
        """The sums of ``width`` vectors of channels from vector ``first`` on, into scratch."""
        e = self.e
        nothing = e.const(0)
        for m in range(self.tiles):
            for v in range(width):
                self._load(SUM + 2 * m + v, e.plus(self.parameters, 64 * (first + v)), nothing)
        step, second = self.field(f.PIXEL_STEP), self.field(f.TILE_STEP)
        offsets, groups = self.field(f.SEGMENT_OFFSETS), self.field(f.SEGMENT_GROUPS)
        stride = e.const(64 * width)
        with e.loop(self.field(f.SEGMENTS)) as segment:
            start = e.load(e.plus(offsets, e.times(segment, 8)), I64, 8)
            position = e.variable(e.plus(self.input, start))
            with e.loop(groups):
                at, panel = position.get(), weights.get()
                for v in range(width):
                    self._load(WEIGHT + v, e.plus(panel, 64 * v), stride)
                for m in range(self.tiles):
                    self._load(INPUT + m, e.plus(at, *([second] * m)), step)
                    for v in range(width):
                        self._tile("tdpbusd", SUM + 2 * m + v, INPUT + m, WEIGHT + v)
                position.set(e.plus(at, STEP_BYTES))
                weights.set(e.plus(panel, STEP_BYTES * LANES * width))
        for m in range(self.tiles):
            for v in range(width):
                target = e.plus(self.sums, self.row_bytes * self.tile_rows * m + 64 * (first + v))
                pointer = e.builder.inttoptr(target, I8.as_pointer())
                self._tile("tilestored64", SUM + 2 * m + v, pointer, e.const(self.row_bytes))

    def _finish(self) -> None:
        e, build = self.e, self.e.builder
        scale_at = e.plus(self.parameters, self.row_bytes)
        scales = [e.load(e.plus(scale_at, 64 * v), vector(F32, LANES)) for v in range(self.vectors)]
        packed = self.name.result.quantised and self.name.channels == CHANNELS
        emitter = PackedEpilogue(e, self.record, self.name.result, scales) if packed else None
        plain = None if packed else EpilogueEmitter(e, self.record, self.name.result, LANES)
        columns, pitch = self.field(f.COLUMNS), self.field(f.PITCH)
        steps = self.field(f.OUTPUT_PIXEL), self.field(f.RESIDUAL_PIXEL)
        jumps = self.field(f.OUTPUT_JUMP), self.field(f.RESIDUAL_JUMP)
        column = e.variable(self.column)
        at = e.variable(self.output), e.variable(self.residual)
        row = e.variable(self.sums)
        with e.loop(self.pixels):
            with build.if_then(build.icmp_signed("<", column.get(), columns)):
                sums = [
                    e.load(e.plus(row.get(), 64 * v), vector(I32, LANES), 64) for v in range(self.vectors)
                ]
                if emitter is not None:
                    emitter.emit(sums, at[0].get(), at[1].get())
                elif plain is not None:
                    self._plain_row(plain, sums, scales, at[0].get(), at[1].get())
            following = e.plus(column.get(), 1)
            ends = build.icmp_signed("==", following, pitch)
            column.set(build.select(ends, e.const(0), following))
            for variable, step, jump in zip(at, steps, jumps, strict=True):
                variable.set(e.plus(variable.get(), step, build.select(ends, jump, e.const(0))))
            row.set(e.plus(row.get(), self.row_bytes))

    def _plain_row(
        self,
        epilogue: EpilogueEmitter,
        sums: list[ir.Value],
        scales: list[ir.Value],
        output: ir.Value,
        residual: ir.Value,
    ) -> None:
        size = 1 if self.name.result.quantised else 4
        for v, (total, scale) in enumerate(zip(sums, scales, strict=True)):
            channels = min(LANES, self.name.channels - LANES * v)
            place = self.e.plus(output, size * LANES * v)
            epilogue.emit(total, scale, place, self.e.plus(residual, LANES * v), channels)
