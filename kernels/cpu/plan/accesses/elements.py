"""Steps of ``ops.elementwise`` and ``ops.quantization``: an element or a pixel at a time."""

from __future__ import annotations

from collections.abc import Iterator

from accelserve.kernels.cpu.microkernels.elements import ElementKernelName
from accelserve.kernels.cpu.plan.accesses.declaration import (
    Access,
    Box,
    Reads,
    Record,
    Touches,
    Writes,
    accesses_of,
    instruction_set,
)
from accelserve.kernels.cpu.plan.accesses.frames import halo, pixels
from accelserve.kernels.cpu.records import elements as f
from accelserve.kernels.cpu.records import elementwise as ew
from accelserve.kernels.cpu.records import quantization as q
from accelserve.kernels.cpu.records.frame import CHANNELS, HEIGHT, WIDTH


def loaded_bytes(kernel: ElementKernelName, channels: int) -> int:
    """Bytes of a pixel that a kernel loads: whole vectors for the last block, too."""
    lanes = instruction_set(kernel.isa).lanes
    return channels - kernel.channels + -(-kernel.channels // lanes) * lanes


def blocks_of(kernel: ElementKernelName, channels: int) -> int:
    """Blocks of channels."""
    return -(-channels // kernel.channels)


def checked_kernel(record: Record) -> tuple[ElementKernelName, int]:
    """The kernel, and the channels that it runs over."""
    kernel, channels = record.element_kernel(f.KERNEL), record.positive(f.TARGET + CHANNELS)
    record.require(
        1 <= kernel.channels <= channels,
        f"has {channels} channels for a kernel of blocks of {kernel.channels}",
    )
    record.positive(f.TARGET + WIDTH)
    return kernel, channels


def parameters(record: Record, kernel: ElementKernelName, channels: int) -> Iterator[Access]:
    """A product and a sum per channel, block by block."""
    lanes = instruction_set(kernel.isa).lanes
    size = 8 * -(-kernel.channels // lanes) * lanes
    yield Reads(Box(record.address(ew.PARAMETERS), (), blocks_of(kernel, channels) * size))


@accesses_of("ops.elementwise.rows_of_elements", "ops.elementwise.normalize")
def rows_of_elements(record: Record) -> Iterator[Access]:
    """Rows by a kernel; a norm's factors are written to scratch first."""
    kernel, channels = checked_kernel(record)
    rows = record.share(f.ITEMS, record.number(f.TARGET + HEIGHT))
    width, loaded = record.number(f.TARGET + WIDTH), loaded_bytes(kernel, channels)
    for frame in (f.SOURCE, ew.OTHER) if kernel.op == "add" else (f.SOURCE,):
        yield Reads(pixels(record, frame, rows, width, channels))
        yield Touches(pixels(record, frame, rows, width, loaded))
    if kernel.op in ("affine", "norm"):
        yield from parameters(record, kernel, channels)
    if kernel.op == "norm":
        units = Box(record.address(ew.UNITS), ((record.threads, record.positive(ew.UNITS_BYTES)),), 4 * width)
        yield Writes(units)
        yield Reads(units)
    yield Writes(pixels(record, f.TARGET, rows, width, channels))
    yield from halo(record, f.TARGET, rows)


@accesses_of("ops.elementwise.lookup")
def lookup(record: Record) -> Iterator[Access]:
    """Rows of entries of a table of 256."""
    rows = record.share(f.ITEMS, record.number(f.TARGET + HEIGHT))
    width, channels = record.number(f.TARGET + WIDTH), record.positive(f.TARGET + CHANNELS)
    yield Reads(pixels(record, f.SOURCE, rows, width, channels))
    yield Reads(Box(record.address(ew.TABLE), (), 256))
    yield Writes(pixels(record, f.TARGET, rows, width, channels))
    yield from halo(record, f.TARGET, rows)


def _converted(record: Record, source_bytes: int, target_bytes: int) -> Iterator[Access]:
    rows = record.share(f.ITEMS, record.number(f.TARGET + HEIGHT))
    width, channels = record.number(f.TARGET + WIDTH), record.positive(f.TARGET + CHANNELS)
    for field in (q.SCALES, q.ZEROS):
        yield Reads(Box(record.address(field), (), 4 * channels))
    yield Reads(pixels(record, f.SOURCE, rows, width, source_bytes * channels))
    yield Writes(pixels(record, f.TARGET, rows, width, target_bytes * channels))
    if target_bytes == 1:
        yield from halo(record, f.TARGET, rows)


@accesses_of("ops.quantization.quantize")
def quantize(record: Record) -> Iterator[Access]:
    """float32 to bytes."""
    return _converted(record, 4, 1)


@accesses_of("ops.quantization.dequantize_u8", "ops.quantization.dequantize_s8")
def dequantize_bytes(record: Record) -> Iterator[Access]:
    """Bytes to float32."""
    return _converted(record, 1, 4)


@accesses_of("ops.quantization.dequantize_s32")
def dequantize_s32(record: Record) -> Iterator[Access]:
    """int32 to float32."""
    return _converted(record, 4, 4)
