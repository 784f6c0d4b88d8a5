"""What every step knows of the frame it writes: geometry fields of its record, and filling the halo.

The writer of a frame fills its halo anew at every run, row by row beside its elements: the arena's bytes belong to
other values in between. Cells are counted along the frame: a row is ``row pitch / pixel pitch`` cells, of which the
first ``width`` are pixels and the rest is the gap that serves as right halo of its row and left halo of the next.
"""

from __future__ import annotations

from accelserve.kernels.compiler.layout import Placement
from accelserve.kernels.cpu.records.frame import (
    ABOVE,
    BELOW,
    CHANNELS,
    FILL,
    HEIGHT,
    LEFT,
    ORIGIN,
    PIXEL,
    RIGHT,
    ROW,
    WIDTH,
)
from accelserve.kernels.native.jit import inlined
from accelserve.kernels.native.memory import field, fill_bytes


def frame_fields(placement: Placement, address: int) -> list[int]:
    """The block's values, ``ORIGIN`` being ``address``; values of other ranks are one row of one pixel."""
    shape = placement.type.shape
    size = placement.type.dtype.size_bytes
    if len(shape) != 4:
        elements = placement.type.elements
        return [address, elements * size, elements * size, 1, 1, elements, 0, 0, 0, 0, 0]
    return [
        address,
        placement.pixel_pitch,
        placement.row_pitch,
        *shape[1:],
        *placement.halo,
        placement.fill,
    ]


@inlined
def fill_cells(address: int, cells: int, pixel: int, channels: int, value: int) -> None:
    """Set ``channels`` bytes of each of ``cells`` consecutive cells."""
    if pixel == channels:
        fill_bytes(address, cells * pixel, value)
    else:
        for cell in range(cells):
            fill_bytes(address + cell * pixel, channels, value)


@inlined
def fill_halo(frame: int, first: int, last: int) -> None:
    """Fill the halo beside rows ``first`` to ``last`` (excluded) of the uint8 frame whose fields are at ``frame``.

    The first row takes what is above it and the last row what is below it.
    """
    above, left = field(frame, ABOVE), field(frame, LEFT)
    below, right = field(frame, BELOW), field(frame, RIGHT)
    if above + left + below + right == 0:
        return
    origin, pixel, row = field(frame, ORIGIN), field(frame, PIXEL), field(frame, ROW)
    height, width = field(frame, HEIGHT), field(frame, WIDTH)
    channels, value = field(frame, CHANNELS), field(frame, FILL)
    cells = row // pixel
    if first == 0:
        before = above * cells + left
        fill_cells(origin - before * pixel, before, pixel, channels, value)
    for y in range(first, min(last, height - 1)):
        fill_cells(origin + y * row + width * pixel, cells - width, pixel, channels, value)
    if last == height:
        after = below * cells + right
        fill_cells(origin + (height - 1) * row + width * pixel, after, pixel, channels, value)


@inlined
def rows_of_item(item: int, items: int, rows: int) -> tuple[int, int]:
    """First and last row (excluded) of one of ``items`` even shares."""
    return item * rows // items, (item + 1) * rows // items


__all__ = ["fill_halo", "frame_fields", "rows_of_item"]
