"""Products of one tap on AMX tiles: 32 or 16 patches by a panel of up to 64 channels, as int32 sums.

``void multiply(record, input, weights, parameters, output, unused)``: patches lie ``PIXEL_STEP`` apart, 64 channels a
step, ``SEGMENT_GROUPS`` steps. Sums start at the parameters' first vectors. Weights are packed in sub-panels of 32
channels as [step][group of 4 channels][channel][4]. Tile registers are used as in ``matrix``.
"""

from __future__ import annotations

from llvmlite import ir

from accelserve.kernels.cpu.microkernels.emit import I8, I64, Emitter
from accelserve.kernels.cpu.records import convolution as f

LANES = 16
TILE_ROWS = 16
TILES = 2
STEP_BYTES = 64
SUB_PANEL = 32
SUM, INPUT, WEIGHT = 0, 4, 6


def emit_tap_products(name: str, channels: int, tiles: int) -> str:
    """LLVM IR of the kernel for a panel of ``channels`` and 16 patches in each of one or two tiles."""
    return _TapProducts(name, -(-channels // LANES), tiles).text()


class _TapProducts:
    def __init__(self, name: str, vectors: int, tiles: int) -> None:
        self.vectors, self.tiles = vectors, tiles
        self.e = Emitter(name, ("record", "input", "weights", "parameters", "output", "unused"))
        self.step, self.turns = self._field(f.PIXEL_STEP), self._field(f.SEGMENT_GROUPS)
        self.pitch = self._field(f.OUTPUT_PIXEL)

    def _field(self, position: int) -> ir.Value:
        return self.e.load(self.e.plus(self.e.arguments[0], 8 * position), I64, 8)

    def _tile(self, name: str, *operands: ir.Value | int) -> None:
        values = [ir.Constant(I8, each) if isinstance(each, int) else each for each in operands]
        self.e.call(f"llvm.x86.{name}", ir.VoidType(), values)

    def _memory(self, name: str, tile: int, address: ir.Value, stride: ir.Value) -> None:
        self._tile(name, tile, self.e.builder.inttoptr(address, I8.as_pointer()), stride)

    def text(self) -> str:
        weights = self.e.variable(self.e.arguments[2])
        for first in range(0, self.vectors, 2):
            width = min(2, self.vectors - first)
            weights.set(self._sub_panel(weights.get(), first, width))
        return self.e.finish()

    def _sub_panel(self, weights: ir.Value, first: int, width: int) -> ir.Value:
        """All steps of ``width`` vectors of channels; where the next sub-panel's weights begin."""
        e = self.e
        _, source, _, parameters, output, _ = e.arguments
        cells = [(m, v) for m in range(self.tiles) for v in range(width)]
        for m, v in cells:
            self._memory("tileloadd64", SUM + 2 * m + v, e.plus(parameters, 64 * (first + v)), e.const(0))
        at, panel = e.variable(source), e.variable(weights)
        lower = e.times(self.step, TILE_ROWS)
        with e.loop(self.turns):
            for v in range(width):
                self._memory("tileloadd64", WEIGHT + v, e.plus(panel.get(), 64 * v), e.const(64 * width))
            for m in range(self.tiles):
                self._memory("tileloadd64", INPUT + m, e.plus(at.get(), *([lower] * m)), self.step)
                for v in range(width):
                    self._tile("tdpbusd", SUM + 2 * m + v, INPUT + m, WEIGHT + v)
            at.set(e.plus(at.get(), STEP_BYTES))
            panel.set(e.plus(panel.get(), STEP_BYTES * LANES * width))
        below = e.times(self.pitch, TILE_ROWS)
        for m, v in cells:
            place = e.plus(output, 64 * (first + v), *([below] * m))
            self._memory("tilestored64", SUM + 2 * m + v, place, self.pitch)
        return panel.get()
