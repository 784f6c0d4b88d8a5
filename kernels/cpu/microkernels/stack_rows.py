"""Rows of pixels below each other, laid side by side pixel by pixel.

``void kernel(source, source_row, target, target_row, rows, turns)``, all int64. Row ``r`` of the target holds cells of
``stack`` pixels: cell ``x`` has pixel ``x`` of source rows ``r`` to ``r + stack - 1``. A turn writes 64 bytes, as many
cells as they hold and what is left over, which the next turn overwrites; so a target row needs room for the last turn's
64 bytes, and of the source 64 bytes are read.
"""

from __future__ import annotations

from llvmlite import ir

from accelserve.kernels.cpu.microkernels.emit import I8, I32, Emitter, vector

ARGUMENTS = ("source", "source_row", "target", "target_row", "rows", "turns")
WIDTH = 64
_BYTES = vector(I8, WIDTH)


def cells_a_turn(stack: int, pixel: int) -> int:
    """Whole cells of one store, for pixels of ``pixel`` bytes."""
    return WIDTH // (stack * pixel)


def emit_stack_rows(name: str, stack: int, pixel: int) -> str:
    """LLVM IR of the kernel."""
    e = Emitter(name, ARGUMENTS)
    source, source_row, target, target_row, rows, turns = e.arguments
    cells = cells_a_turn(stack, pixel)
    with e.loop(rows) as row:
        begin = e.plus(source, e.builder.mul(row, source_row))
        end = e.plus(target, e.builder.mul(row, target_row))
        with e.loop(turns) as turn:
            at = e.plus(begin, e.times(turn, cells * pixel))
            loaded = []
            for _ in range(stack):
                loaded.append(e.load(at, _BYTES))
                at = e.plus(at, source_row)
            e.store(_interleaved(e.builder, loaded, pixel), e.plus(end, e.times(turn, cells * stack * pixel)))
    return e.finish()


def _interleaved(build: ir.IRBuilder, rows: list[ir.Value], pixel: int) -> ir.Value:
    """Pixel 0 of every row, pixel 1 of every row, ..., row by row into what is there already."""
    whole = rows[0]
    for index, row in enumerate(rows):
        picks = [
            WIDTH + at // (len(rows) * pixel) * pixel + at % pixel if at // pixel % len(rows) == index else at
            for at in range(WIDTH)
        ]
        whole = build.shuffle_vector(whole, row, ir.Constant(vector(I32, WIDTH), picks))
    return whole
