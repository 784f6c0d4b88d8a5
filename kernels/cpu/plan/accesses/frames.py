"""The bytes of frames, as steps of ``frames`` lay them out."""

from __future__ import annotations

from collections.abc import Iterator

from accelserve.kernels.cpu.plan.accesses.declaration import Box, Record, Writes
from accelserve.kernels.cpu.records import frame as at


def pixels(record: Record, frame: int, rows: int, columns: int, size_bytes: int) -> Box:
    """``size_bytes`` of each pixel of the first rows and columns of the frame whose fields are at ``frame``."""
    steps = (rows, record.number(frame + at.ROW)), (columns, record.number(frame + at.PIXEL))
    return Box(record.address(frame + at.ORIGIN), steps, size_bytes)


def halo(record: Record, frame: int, rows: int) -> Iterator[Writes]:
    """What ``fill_halo`` sets when the items together write ``rows`` rows, each once."""
    above, left, below, right = (
        record.number(frame + side) for side in (at.ABOVE, at.LEFT, at.BELOW, at.RIGHT)
    )
    if above + left + below + right == 0 or rows == 0:
        return
    pixel, row = record.positive(frame + at.PIXEL), record.number(frame + at.ROW)
    height, width = record.positive(frame + at.HEIGHT), record.positive(frame + at.WIDTH)
    cells = row // pixel
    record.require(min(above, left, below, right) >= 0 and cells >= width, "has a frame with a negative halo")
    start, channels = record.address(frame + at.ORIGIN), record.positive(frame + at.CHANNELS)
    before, after = above * cells + left, below * cells + right
    gaps = (min(rows, height - 1), row), (cells - width, pixel)
    yield Writes(Box(start + -before * pixel, ((before, pixel),), channels))
    yield Writes(Box(start + width * pixel, gaps, channels))
    if rows == height:
        yield Writes(Box(start + (height - 1) * row + width * pixel, ((after, pixel),), channels))


__all__ = ["halo", "pixels"]
