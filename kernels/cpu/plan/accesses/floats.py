"""Steps of ``ops.floating`` and ``ops.normalization``: dense float32."""

from __future__ import annotations

from collections.abc import Iterator

from accelserve.kernels.cpu.plan.accesses.declaration import Access, Box, Reads, Record, Writes, accesses_of
from accelserve.kernels.cpu.records import floats as f


def _from_to(record: Record, elements: int) -> Iterator[Access]:
    yield Reads(Box(record.address(f.SOURCE), (), 4 * elements))
    yield Writes(Box(record.address(f.TARGET), (), 4 * elements))


@accesses_of("ops.floating.unary")
def unary(record: Record) -> Iterator[Access]:
    """A share of the elements each."""
    return _from_to(record, record.share(f.ITEMS, record.positive(f.COUNT)))


@accesses_of("ops.normalization.l2_normalize", "ops.normalization.local_response")
def vectors(record: Record) -> Iterator[Access]:
    """A share of the vectors along the last axis each."""
    channels = record.positive(f.CHANNELS)
    yield from _from_to(record, record.share(f.ITEMS, record.positive(f.COUNT) // channels) * channels)


@accesses_of("ops.floating.affine")
def affine(record: Record) -> Iterator[Access]:
    """Vectors, by parameters of a channel."""
    for field in (f.MULTIPLY, f.ADDEND):
        yield Reads(Box(record.address(field), (), 4 * record.positive(f.CHANNELS)))
    yield from vectors(record)


@accesses_of("ops.normalization.softmax")
def softmax(record: Record) -> Iterator[Access]:
    """A share of the vectors along any axis each."""
    count, channels, inner = (record.positive(field) for field in (f.COUNT, f.CHANNELS, f.INNER))
    record.require(count % (channels * inner) == 0, f"has {count} elements in rows of {channels} x {inner}")
    whole = record.share(f.ITEMS, count // channels) // inner * inner
    yield from _from_to(record, whole * channels)


@accesses_of("ops.floating.binary")
def binary(record: Record) -> Iterator[Access]:
    """A share of the second dimension of a broadcast each."""
    sizes = [record.positive(f.SHAPE + axis) for axis in range(4)]
    rows = record.share(f.ITEMS, sizes[1])
    for operand, steps in ((f.SOURCE, f.SOURCE_STEPS), (f.OTHER, f.OTHER_STEPS)):
        strides = [4 * record.number(steps + axis) for axis in range(4)]
        counts = (sizes[0], rows, *sizes[2:])
        yield Reads(Box(record.address(operand), tuple(zip(counts, strides, strict=True)), 4))
    row = 4 * sizes[2] * sizes[3]
    yield Writes(Box(record.address(f.TARGET), ((sizes[0], sizes[1] * row),), rows * row))
