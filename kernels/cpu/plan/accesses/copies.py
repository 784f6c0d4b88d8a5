"""Steps that move bytes: ``strided_copy`` and ``ops.movement``."""

from __future__ import annotations

from collections.abc import Iterator

from accelserve.kernels.cpu.plan.accesses.declaration import (
    Access,
    Box,
    Moves,
    Reads,
    Record,
    Writes,
    accesses_of,
)
from accelserve.kernels.cpu.plan.accesses.frames import halo, pixels
from accelserve.kernels.cpu.records import copies as f
from accelserve.kernels.cpu.records import frame as at


@accesses_of("strided_copy.copy")
def copy(record: Record) -> Iterator[Access]:
    """Elements of any strides, and the halo of the frame that they are written to."""
    sizes = [record.number(f.SHAPE + axis) for axis in range(f.RANK)]
    sizes[1] = rows = record.share(f.ITEMS, sizes[1])
    places = [
        Box(
            record.address(field),
            tuple((size, record.number(strides + axis)) for axis, size in enumerate(sizes)),
            record.positive(f.ELEMENT),
        )
        for field, strides in ((f.SOURCE, f.SOURCE_STRIDES), (f.TARGET, f.TARGET_STRIDES))
    ]
    yield Moves(*places)
    yield from halo(record, f.HALO, rows)


@accesses_of("ops.movement.fill")
def fill(record: Record) -> Iterator[Access]:
    """Rows of a frame, and its halo."""
    rows = record.share(f.ITEMS, record.number(f.SHAPE + 1))
    steps = (
        (rows, record.number(f.TARGET_STRIDES + 1)),
        (record.number(f.SHAPE + 2), record.number(f.TARGET_STRIDES + 2)),
    )
    yield Writes(
        Box(record.address(f.TARGET), steps, record.positive(f.SHAPE + 3) * record.positive(f.ELEMENT))
    )
    yield from halo(record, f.HALO, rows)


@accesses_of("ops.movement.reflow")
def reflow(record: Record) -> Iterator[Access]:
    """All bytes of one frame into another of other sizes, by one item."""
    sizes = [
        tuple(record.positive(frame + side) for side in (at.HEIGHT, at.WIDTH, at.CHANNELS))
        for frame in (f.SOURCE_FRAME, f.HALO)
    ]
    totals = [height * width * channels for height, width, channels in sizes]
    record.require(totals[0] == totals[1], f"has {totals[0]} bytes for {totals[1]} bytes of its result")
    record.require(record.items == 1, "is cut into items though it is one")
    # Which byte goes where is left out: only frames that are written whole may be reflowed.
    (height, width, channels), (rows, columns, depth) = sizes
    yield Reads(pixels(record, f.SOURCE_FRAME, height, width, channels))
    yield Writes(pixels(record, f.HALO, rows, columns, depth))
    yield from halo(record, f.HALO, rows)
