"""Steps of ``ops.floating`` and ``ops.normalization``: dense float32."""

from __future__ import annotations

from collections.abc import Iterator

from accelserve.kernels.cpu.plan.accesses.declaration import Access, Box, Reads, Record, Writes, accesses_of

SOURCE = 0
TARGET = 1
ITEMS = 2
COUNT = 3
FUNCTION = 4
FIRST_PARAMETER = 5
SECOND_PARAMETER = 6
CHANNELS = 7
MULTIPLY = 8
ADDEND = 9
OTHER = 10
SHAPE = 11
SOURCE_STEPS = 15  # in elements
OTHER_STEPS = 19
INNER = 23  # from here on of ``ops.normalization``
EPSILON = 24
SIZE = 25
ALPHA = 26
BETA = 27
BIAS = 28


def _from_to(record: Record, elements: int) -> Iterator[Access]:
    yield Reads(Box(record.address(SOURCE), (), 4 * elements))
    yield Writes(Box(record.address(TARGET), (), 4 * elements))


@accesses_of("ops.floating.unary")
def unary(record: Record) -> Iterator[Access]:
    """A share of the elements each."""
    return _from_to(record, record.share(ITEMS, record.positive(COUNT)))


@accesses_of("ops.normalization.l2_normalize", "ops.normalization.local_response")
def vectors(record: Record) -> Iterator[Access]:
    """A share of the vectors along the last axis each."""
    channels = record.positive(CHANNELS)
    yield from _from_to(record, record.share(ITEMS, record.positive(COUNT) // channels) * channels)


@accesses_of("ops.floating.affine")
def affine(record: Record) -> Iterator[Access]:
    """Vectors, by parameters of a channel."""
    for field in (MULTIPLY, ADDEND):
        yield Reads(Box(record.address(field), (), 4 * record.positive(CHANNELS)))
    yield from vectors(record)


@accesses_of("ops.normalization.softmax")
def softmax(record: Record) -> Iterator[Access]:
    """A share of the vectors along any axis each."""
    count, channels, inner = (record.positive(field) for field in (COUNT, CHANNELS, INNER))
    record.require(count % (channels * inner) == 0, f"has {count} elements in rows of {channels} x {inner}")
    whole = record.share(ITEMS, count // channels) // inner * inner
    yield from _from_to(record, whole * channels)


@accesses_of("ops.floating.binary")
def binary(record: Record) -> Iterator[Access]:
    """A share of the second dimension of a broadcast each."""
    sizes = [record.positive(SHAPE + axis) for axis in range(4)]
    rows = record.share(ITEMS, sizes[1])
    for operand, steps in ((SOURCE, SOURCE_STEPS), (OTHER, OTHER_STEPS)):
        strides = [4 * record.number(steps + axis) for axis in range(4)]
        counts = (sizes[0], rows, *sizes[2:])
        yield Reads(Box(record.address(operand), tuple(zip(counts, strides, strict=True)), 4))
    row = 4 * sizes[2] * sizes[3]
    yield Writes(Box(record.address(TARGET), ((sizes[0], sizes[1] * row),), rows * row))
