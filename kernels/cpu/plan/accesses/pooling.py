"""Steps of ``ops.pooling`` and ``ops.float_convolution``, whose windows are cut off at the image's edge.

What windows read is bounded by all of the image: its size is what they are cut off by.
"""

from __future__ import annotations

from collections.abc import Iterator

from accelserve.kernels.cpu.plan.accesses.declaration import (
    Access,
    Box,
    Reads,
    Record,
    Touches,
    Writes,
    accesses_of,
)
from accelserve.kernels.cpu.plan.accesses.elements import checked_kernel, loaded_bytes
from accelserve.kernels.cpu.plan.accesses.frames import halo, pixels
from accelserve.kernels.cpu.records import elements as f
from accelserve.kernels.cpu.records import windows as w
from accelserve.kernels.cpu.records.frame import CHANNELS, HEIGHT, WIDTH

BLOCK = 64
"""Output channels that an item of a one-pixel result computes."""


def windows(record: Record) -> None:
    """Raise if a window's fields would not cut it off at the image's edge."""
    for axis in range(2):
        record.positive(w.STRIDES + axis)
        record.positive(w.DILATIONS + axis)
        record.positive(w.KERNEL_SIZE + axis)
        record.require(record.number(w.BEFORE + axis) >= 0, "has a negative padding")
        record.positive(f.SOURCE + (HEIGHT, WIDTH)[axis])


def image(record: Record, size_bytes: int) -> Box:
    """All pixels of the source."""
    rows, columns = record.number(f.SOURCE + HEIGHT), record.number(f.SOURCE + WIDTH)
    return pixels(record, f.SOURCE, rows, columns, size_bytes)


@accesses_of("ops.pooling.pool_u8")
def pool_u8(record: Record) -> Iterator[Access]:
    """Rows of a uint8 pool."""
    windows(record)
    kernel, channels = checked_kernel(record)
    rows = record.share(f.ITEMS, record.number(f.TARGET + HEIGHT))
    yield Reads(image(record, channels))
    yield Touches(image(record, loaded_bytes(kernel, channels)))
    if kernel.op == "avgpool":
        cells = record.number(w.KERNEL_SIZE) * record.number(w.KERNEL_SIZE + 1)
        yield Reads(Box(record.address(w.MULTIPLIER), (), 4 * (cells + 1)))
    yield Writes(pixels(record, f.TARGET, rows, record.number(f.TARGET + WIDTH), channels))
    yield from halo(record, f.TARGET, rows)


@accesses_of("ops.pooling.max_pool_f32", "ops.pooling.average_pool_f32")
def pool_f32(record: Record) -> Iterator[Access]:
    """Rows of a float32 pool."""
    windows(record)
    rows, channels = (
        record.share(f.ITEMS, record.number(f.TARGET + HEIGHT)),
        record.positive(f.TARGET + CHANNELS),
    )
    yield Reads(image(record, 4 * channels))
    yield Writes(pixels(record, f.TARGET, rows, record.number(f.TARGET + WIDTH), 4 * channels))


@accesses_of("ops.float_convolution.convolve_f32")
def convolve_f32(record: Record) -> Iterator[Access]:
    """Rows, or blocks of channels of a result of one pixel."""
    windows(record)
    height, width, outputs = (record.positive(f.TARGET + at) for at in (HEIGHT, WIDTH, CHANNELS))
    groups = record.positive(w.GROUPS)
    inputs, each = record.positive(f.SOURCE + CHANNELS) // groups, outputs // groups
    taps = record.number(w.KERNEL_SIZE) * record.number(w.KERNEL_SIZE + 1)
    yield Reads(Box(record.address(w.WEIGHTS), (), 4 * groups * taps * inputs * each))
    yield Reads(Box(record.address(w.BIAS), (), 4 * outputs))
    yield Reads(image(record, 4 * groups * inputs))
    if height * width * groups == 1:
        rows, written = 1, min(BLOCK * record.share(f.ITEMS, -(-each // BLOCK)), each)
    else:
        rows, written = record.share(f.ITEMS, height), groups * each
    yield Writes(pixels(record, f.TARGET, rows, width, 4 * written))
