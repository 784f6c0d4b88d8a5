"""The convolution microkernel on AMX tiles: blocks of up to two tiles of output pixels by panels of up to 64 channels.

``void kernel(record, sums, first block, last block, first panel, last panel, input, weights, parameters, output,
residual, ahead)``, all int64, runs every block with every panel of two ranges (the last excluded), in the record's order.
While the tile unit multiplies one unit (a block by a panel), the vector units turn the sums of the unit before into
results, ``ROWS_A_STEP`` rows after every step of 64 input channels and what is left at the end. ``sums`` is room for
two units.

A block is a row of the table at ``BLOCKS``: where it starts in the input, the output and the residual, and its
``pixels`` *positions* from column ``column`` on. Positions are counted along rows of ``PITCH`` columns of which the
first ``COLUMNS`` are pixels; those of a tile lie ``PIXEL_STEP`` apart in the input, and the second tile ``TILE_STEP``
after the first. Where a window moves by one pixel, a frame's halo makes the whole image one run of positions, and what
lies between two rows is computed and thrown away.

Tile registers: 0-3 sums (pixels by channels), 4-5 input of 64 channels per pixel, 6-7 weights of 64 channels by 16.
Sums start at the bias, which a tile load of stride 0 repeats down the rows. Weights are packed in sub-panels of 32
channels as [segment][group of 4 channels][channel][4], segments padded to 64.
"""

from __future__ import annotations

from llvmlite import ir

from accelserve.kernels.cpu.microkernels.emit import F32, I8, I32, I64, Emitter, Variable, vector
from accelserve.kernels.cpu.microkernels.epilogue import EpilogueEmitter
from accelserve.kernels.cpu.microkernels.names import KernelName
from accelserve.kernels.cpu.microkernels.packed_epilogue import CHANNELS, PackedEpilogue
from accelserve.kernels.cpu.records import convolution as f
from accelserve.kernels.cpu.records import matrix as mx

ARGUMENTS = (
    "record",
    "sums",
    "first_block",
    "last_block",
    "first_panel",
    "last_panel",
    "input",
    "weights",
    "parameters",
    "output",
    "residual",
    "ahead",
)
BLOCK_FIELDS = 5
"""Of a block, int64: bytes from the start of input, output and residual, column, pixels."""
LANES = 16
STEP_BYTES = 64
"""Input channels that one multiplication of tiles takes."""
SUB_PANEL = 32
MOST_ROWS = 16
SUM, INPUT, WEIGHT = 0, 4, 6

SUMS_BYTES = 2 * MOST_ROWS * 4 * 64
"""Of one buffer of sums, at most."""


def emit_matrix_conv2d(name: KernelName) -> str:
    """LLVM IR of the kernel of that name; its rows are those of all its tiles."""
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
        self.argument = dict(zip(ARGUMENTS, self.e.arguments, strict=True))
        self.record = self.argument["record"]
        self.vectors = -(-name.channels // LANES)
        self.row_bytes = 64 * self.vectors
        self.tile_rows = name.rows // 2
        self.pending = _PendingRows(self.e, name, self.record, self.vectors)
        self.ahead = _WeightsAhead(self.e, self.argument["ahead"])

    def text(self) -> str:
        e, build, argument = self.e, self.e.builder, self.argument
        blocks = build.sub(argument["last_block"], argument["first_block"])
        panels = build.sub(argument["last_panel"], argument["first_panel"])
        units = build.mul(blocks, panels)
        block, panel = e.variable(argument["first_block"]), e.variable(argument["first_panel"])
        sums = e.variable(argument["sums"])
        with e.loop(e.plus(units, 1)) as unit:
            with build.if_then(build.icmp_signed("<", unit, units)):
                self._unit(block.get(), panel.get(), sums.get())
                self._advance(block, panel)
            self.pending.finish()
            # The unit just multiplied is the next to finish; its sums stay where they are, the other buffer is free.
            self.pending.take_over()
            used = build.sub(sums.get(), argument["sums"])
            sums.set(e.plus(argument["sums"], build.sub(e.const(SUMS_BYTES), used)))
        return e.finish()

    def field(self, position: int) -> ir.Value:
        return self.e.load(self.e.plus(self.record, 8 * position), I64, 8)

    def _advance(self, block: Variable, panel: Variable) -> None:
        """The next unit: inner loop over blocks or over panels, as the record says."""
        build, argument = self.e.builder, self.argument
        blocks_inside = build.icmp_signed("!=", self.field(f.PANELS_OUTER), self.e.const(0))
        ranges = (
            (block, argument["first_block"], argument["last_block"]),
            (panel, argument["first_panel"], argument["last_panel"]),
        )
        following = [self.e.plus(variable.get(), 1) for variable, _, _ in ranges]
        ended = [build.icmp_signed("==", n, last) for n, (_, _, last) in zip(following, ranges, strict=True)]
        for at, (variable, first, _) in enumerate(ranges):
            inside = blocks_inside if at == 0 else build.not_(blocks_inside)
            as_inner = build.select(ended[at], first, following[at])
            as_outer = build.select(ended[1 - at], following[at], variable.get())
            variable.set(build.select(inside, as_inner, as_outer))

    def _unit(self, block: ir.Value, panel: ir.Value, sums: ir.Value) -> None:
        """Multiply one block by one panel, and note what finishing it will need."""
        e, build, argument = self.e, self.e.builder, self.argument
        entry = e.plus(self.field(mx.BLOCKS), e.times(block, 8 * BLOCK_FIELDS))
        source, output, residual, column, pixels = (
            e.load(e.plus(entry, 8 * k), I64, 8) for k in range(BLOCK_FIELDS)
        )
        parameters = e.plus(argument["parameters"], build.mul(panel, self.field(f.PARAMETER_BYTES)))
        weights = e.plus(argument["weights"], build.mul(panel, self.field(f.PANEL_BYTES)))
        channel = build.mul(panel, self.field(f.PANEL_CHANNELS))
        at = (
            e.plus(argument["output"], output, build.mul(channel, self.field(f.OUTPUT_BYTES))),
            e.plus(argument["residual"], residual, channel),
        )
        self.pending.announce(sums, parameters, at, column, pixels)
        whole, rest = divmod(self.vectors, 2)
        unit_input = e.plus(argument["input"], source)
        two = build.icmp_signed(">", pixels, e.const(self.tile_rows))
        with build.if_else(two) as (both, single):
            for tiles, branch in ((2, both), (1, single)):
                with branch:
                    place = e.variable(weights)
                    if whole:
                        with e.loop(e.const(whole)) as half:
                            first = e.times(half, 2 * 64)
                            self._multiply(
                                tiles, unit_input, place, e.plus(parameters, first), e.plus(sums, first), 2
                            )
                    if rest:
                        first = e.const(whole * 2 * 64)
                        self._multiply(
                            tiles, unit_input, place, e.plus(parameters, first), e.plus(sums, first), 1
                        )

    def _tile(self, name: str, *operands: ir.Value | int) -> None:
        values = [ir.Constant(I8, each) if isinstance(each, int) else each for each in operands]
        self.e.call(f"llvm.x86.{name}", ir.VoidType(), values)

    def _load(self, tile: int, address: ir.Value, stride: ir.Value) -> None:
        self._tile("tileloadd64", tile, self.e.builder.inttoptr(address, I8.as_pointer()), stride)

    def _multiply(
        self, tiles: int, source: ir.Value, weights: Variable, bias: ir.Value, sums: ir.Value, width: int
    ) -> None:
        """The sums of ``width`` vectors of channels."""
        e = self.e
        for m in range(tiles):
            for v in range(width):
                self._load(SUM + 2 * m + v, e.plus(bias, 64 * v), e.const(0))
        offsets = self.field(f.SEGMENT_OFFSETS)
        with e.loop(self.field(f.SEGMENTS)) as segment:
            start = e.load(e.plus(offsets, e.times(segment, 8)), I64, 8)
            position = e.variable(e.plus(source, start))
            with e.loop(self.field(f.SEGMENT_GROUPS)):
                self._step(tiles, weights, position, width)
                self.pending.some_rows()
        for m in range(tiles):
            for v in range(width):
                at = e.plus(sums, self.row_bytes * self.tile_rows * m + 64 * v)
                pointer = e.builder.inttoptr(at, I8.as_pointer())
                self._tile("tilestored64", SUM + 2 * m + v, pointer, e.const(self.row_bytes))

    def _step(self, tiles: int, weights: Variable, position: Variable, width: int) -> None:
        """Multiply 64 input channels of the tiles."""
        e = self.e
        at, panel = position.get(), weights.get()
        self.ahead.some_lines()
        for v in range(width):
            self._load(WEIGHT + v, e.plus(panel, 64 * v), e.const(64 * width))
        for m in range(tiles):
            self._load(INPUT + m, e.plus(at, *([self.field(mx.TILE_STEP)] * m)), self.field(f.PIXEL_STEP))
            for v in range(width):
                self._tile("tdpbusd", SUM + 2 * m + v, INPUT + m, WEIGHT + v)
        position.set(e.plus(at, STEP_BYTES))
        weights.set(e.plus(panel, STEP_BYTES * LANES * width))


class _WeightsAhead:
    """What this worker will read next, asked for in shares (``weight_streams``); ``ahead`` is a row of the table."""

    def __init__(self, e: Emitter, ahead: ir.Value) -> None:
        self.e = e
        address, left, self.share = (e.load(e.plus(ahead, 8 * k), I64, 8) for k in range(3))
        self.address, self.left = e.variable(address), e.variable(left)

    def some_lines(self) -> None:
        """A turn's share of the cache lines."""
        e, build = self.e, self.e.builder
        left, address = self.left.get(), self.address.get()
        count = build.select(build.icmp_signed("<", left, self.share), left, self.share)
        with build.if_then(build.icmp_signed(">", count, e.const(0))):
            with e.loop(count) as line:
                e.prefetch(e.plus(address, e.times(line, 64)), level=2)
            self.left.set(build.sub(left, count))
            self.address.set(e.plus(address, e.times(count, 64)))


class _PendingRows:
    """The unit that was multiplied before: what is left of its rows, and what the next one's will be."""

    def __init__(self, e: Emitter, name: KernelName, record: ir.Value, vectors: int) -> None:
        self.e, self.name, self.record, self.vectors = e, name, record, vectors
        packed = name.result.quantized and name.channels == CHANNELS
        self.packed = PackedEpilogue(e, record, name.result, LANES) if packed else None
        self.plain = None if packed else EpilogueEmitter(e, record, name.result, LANES)
        self.steps = self._field(f.OUTPUT_PIXEL), self._field(f.RESIDUAL_PIXEL)
        self.jumps = self._field(mx.OUTPUT_JUMP), self._field(mx.RESIDUAL_JUMP)
        self.columns, self.pitch = self._field(mx.COLUMNS), self._field(mx.PITCH)
        self.share = self._field(mx.ROWS_A_STEP)
        nothing = e.const(0)
        # Rows of sums, their scales, the output and residual of the next row, its column, and how many are left.
        self.now = [e.variable(nothing) for _ in range(6)]
        self.next = [e.variable(nothing) for _ in range(6)]

    def _field(self, position: int) -> ir.Value:
        return self.e.load(self.e.plus(self.record, 8 * position), I64, 8)

    def announce(
        self,
        sums: ir.Value,
        parameters: ir.Value,
        at: tuple[ir.Value, ir.Value],
        column: ir.Value,
        pixels: ir.Value,
    ) -> None:
        """What the unit being multiplied will need."""
        scales = self.e.plus(parameters, 64 * self.vectors)
        for variable, value in zip(self.next, (sums, scales, *at, column, pixels), strict=True):
            variable.set(value)

    def take_over(self) -> None:
        """The unit announced is the pending one now."""
        for variable, value in zip(self.now, self.next, strict=True):
            variable.set(value.get())
        self.next[5].set(self.e.const(0))

    def some_rows(self) -> None:
        """A step's share of the rows."""
        build, left = self.e.builder, self.now[5].get()
        count = build.select(build.icmp_signed("<", left, self.share), left, self.share)
        self._rows(count)
        self.now[5].set(build.sub(left, count))

    def finish(self) -> None:
        """All rows that are left."""
        self._rows(self.now[5].get())
        self.now[5].set(self.e.const(0))

    def _rows(self, count: ir.Value) -> None:
        e, build = self.e, self.e.builder
        row, _, output, residual, column, _ = self.now
        with build.if_then(build.icmp_signed(">", count, e.const(0))), e.loop(count):
            with build.if_then(build.icmp_signed("<", column.get(), self.columns)):
                self._row()
            following = e.plus(column.get(), 1)
            ends = build.icmp_signed("==", following, self.pitch)
            column.set(build.select(ends, e.const(0), following))
            for variable, step, jump in zip((output, residual), self.steps, self.jumps, strict=True):
                variable.set(e.plus(variable.get(), step, build.select(ends, jump, e.const(0))))
            row.set(e.plus(row.get(), 64 * self.vectors))

    def _row(self) -> None:
        e = self.e
        row, scale_at, output, residual = (variable.get() for variable in self.now[:4])
        sums = [e.load(e.plus(row, 64 * v), vector(I32, LANES), 64) for v in range(self.vectors)]
        scales = [e.load(e.plus(scale_at, 64 * v), vector(F32, LANES)) for v in range(self.vectors)]
        if self.packed is not None:
            self.packed.emit(sums, scales, output, residual)
        elif self.plain is not None:
            size = 1 if self.name.result.quantized else 4
            for v, (total, scale) in enumerate(zip(sums, scales, strict=True)):
                channels = min(LANES, self.name.channels - LANES * v)
                place = e.plus(output, size * LANES * v)
                self.plain.emit(total, scale, place, e.plus(residual, LANES * v), channels)
