"""Steps of integer convolutions by tiles of the instruction set, and depthwise ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from accelserve.kernels.cpu.microkernels.names import KernelName
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
from accelserve.kernels.cpu.plan.accesses.frames import halo
from accelserve.kernels.cpu.records import convolution as f
from accelserve.kernels.cpu.records import tiles as t
from accelserve.kernels.cpu.records.frame import HEIGHT


def padded_channels(kernel: KernelName) -> int:
    """Output channels of a panel, in whole vectors."""
    lanes = instruction_set(kernel.isa).lanes
    return -(-kernel.channels // lanes) * lanes


def weight_bytes(kernel: KernelName, dots: int) -> int:
    """Packed weights of a panel, of so many dot products."""
    isa = instruction_set(kernel.isa)
    isa = (isa.split if kernel.op == "split2d" else None) or isa
    return dots * padded_channels(kernel) * isa.group * isa.weight_bits // 8


def segment_bytes(record: Record, read: int, step: int) -> int:
    """The bytes of a segment that count, of ``read`` that are read in steps of ``step``."""
    size = record.positive(f.SEGMENT_BYTES)
    record.require(read - step < size <= read, f"reads {read} bytes for a segment of {size}")
    return size


def element_bytes(record: Record, kernel: KernelName) -> int:
    """Of an element of the result, as the kernel stores it."""
    size = 1 if kernel.result.quantized else 4
    record.require(record.number(f.OUTPUT_BYTES) == size, f"stores elements of {size} bytes at another pitch")
    return size


def group_channels(record: Record, full: KernelName, last: KernelName) -> int:
    """Output channels of a group, by the kernels of its panels."""
    panels = record.positive(f.PANELS)
    width = record.number(f.PANEL_CHANNELS)
    record.require(
        panels == 1 or full.channels == width,
        f"has panels of {width} channels for kernels of {full.channels}",
    )
    channels = (panels - 1) * width + last.channels
    record.require(
        record.number(f.GROUP_CHANNELS) == channels, f"computes {channels} channels of another count"
    )
    return channels


def check_items(record: Record, units: int, chunk: int) -> None:
    """Raise unless the items are all chunks of units by all chunks of panels."""
    shares, panels = record.positive(f.PANEL_ITEMS), record.positive(f.PANELS) * record.positive(f.GROUPS)
    record.require(
        record.items == -(-units // chunk) * shares and shares * record.positive(f.PANEL_CHUNK) >= panels,
        f"has {record.items} items, which are not all of its work",
    )


def panel_parameters(record: Record, kernel: KernelName) -> Iterator[Access]:
    """Bias and scale of every panel of every group."""
    pitch, panels = record.number(f.PARAMETER_BYTES), record.number(f.PANELS) * record.number(f.GROUPS)
    size = 8 * padded_channels(kernel)
    if kernel.op == "split2d":
        size += 8 * padded_channels(kernel) // instruction_set(kernel.isa).lanes
    yield Reads(Box(record.address(f.PARAMETERS), ((panels, pitch),), size))


def panel_weights(record: Record, full: KernelName, last: KernelName, dots: int) -> Iterator[Access]:
    """Weights of every panel of every group."""
    panels, pitch = record.number(f.PANELS), record.number(f.PANEL_BYTES)
    groups, start = (record.number(f.GROUPS), record.number(f.GROUP_WEIGHT_BYTES)), record.address(f.WEIGHTS)
    if panels > 1:
        yield Reads(Box(start, (groups, (panels - 1, pitch)), weight_bytes(full, dots)))
    yield Reads(Box(start + (panels - 1) * pitch, (groups,), weight_bytes(last, dots)))


@dataclass(frozen=True, slots=True)
class Tiles:
    """What a record of tiles by panels says, once it is known not to contradict itself.

    Attributes:
        full, last_panel: kernels of full tiles.
        rows, width: of the result.
        channels: of a group.
        segments, dots: of a window, and dot products of a segment.
    """

    full: KernelName
    last_panel: KernelName
    rows: int
    width: int
    channels: int
    segments: int
    dots: int


def tiles_of(record: Record) -> Tiles:
    """Check what all steps of tiles by panels have in common."""
    full, smaller, last_panel, corner = (record.tile_kernel(t.KERNEL + i) for i in range(4))
    for one, other in ((full, last_panel), (smaller, corner)):
        record.require(one.rows == other.rows, "has kernels of different tiles")
    for one, other in ((full, smaller), (last_panel, corner)):
        record.require(one.channels == other.channels, "has kernels of different panels")
    rows, tiles, tile = (record.positive(at) for at in (t.ROWS, t.TILES, t.TILE_ROWS))
    whole = record.positive(t.FULL_TILES)
    record.require(
        whole <= tiles and full.rows == tile and (whole == tiles or smaller.rows == tile - 1),
        f"has {whole} tiles of {tile} pixels, and others, for kernels of {full.rows} and {smaller.rows}",
    )
    check_items(record, rows * tiles, record.positive(f.TILE_CHUNK))
    return Tiles(
        full=full,
        last_panel=last_panel,
        rows=rows,
        width=tiles * tile - (tiles - whole),
        channels=group_channels(record, full, last_panel),
        segments=record.positive(f.SEGMENTS),
        dots=record.positive(f.SEGMENT_GROUPS) * full.unroll,
    )


def constants_and_results(record: Record, of: Tiles) -> Iterator[Access]:
    """Everything but the input."""
    yield from panel_weights(record, of.full, of.last_panel, of.segments * of.dots)
    yield from panel_parameters(record, of.full if record.number(f.PANELS) > 1 else of.last_panel)
    yield from results(record, of.full, of.rows, of.width, of.channels)
    halo_height = record.number(f.HALO + HEIGHT)
    yield from halo(record, f.HALO, halo_height if of.rows == 1 else of.rows)


@accesses_of("convolution.tiles.convolve")
def convolve(record: Record) -> Iterator[Access]:
    """Tiles of pixels by panels of channels."""
    of = tiles_of(record)
    pixels = (of.rows, f.ROW_STEP), (of.width, f.PIXEL_STEP)
    yield from _window(record, pixels, of.segments, of.dots * of.full.group, of.full.unroll * of.full.group)
    if of.full.op == "split2d":
        yield from repairs(record, of)
    yield from constants_and_results(record, of)


def repairs(record: Record, of: Tiles) -> Iterator[Access]:
    """Steps beyond the main loop, each on a vector of the activations that it has read."""
    count, group, lanes = record.number(t.REPAIRS), of.full.group, instruction_set(of.full.isa).lanes
    panels, pitch = record.positive(f.PANELS), record.number(f.PARAMETER_BYTES)
    record.require(record.number(f.GROUPS) == 1, "repairs sums of more than one group")
    parameters = record.constant(f.PARAMETERS, panels * pitch).reshape(panels, pitch)
    for panel in range(panels):
        padded = padded_channels(of.full if panel < panels - 1 else of.last_panel)
        ranges = parameters[panel, 8 * padded : 8 * padded + 8 * (padded // lanes)].copy().view(np.int32)
        inside = all(0 <= first <= first + more <= count for first, more in ranges.reshape(-1, 2).tolist())
        record.require(inside, f"names repairs beyond its {count}")
    if count == 0:
        return
    starts = record.table(f.SEGMENT_OFFSETS, of.segments)
    offsets = record.constant(t.REPAIR_OFFSETS, 4 * count).view(np.int32).astype(np.int64)
    beyond = offsets[:, None] - starts[None, :]
    record.require(
        bool(((beyond >= 0) & (beyond <= (of.dots - lanes) * group)).any(axis=1).all()),
        "repairs products of activations beyond its window",
    )
    yield Reads(Box(record.address(t.REPAIR_OFFSETS), (), 4 * count))
    yield Reads(Box(record.address(t.REPAIR_PICKS), (), count * lanes))
    yield Reads(Box(record.address(t.REPAIR_WEIGHTS), (), count * lanes * group))


def _window(
    record: Record, pixels: tuple[tuple[int, int], ...], segments: int, read: int, step: int
) -> Iterator[Access]:
    """The input's segments of every pixel and group."""
    repeats = tuple(
        (count, record.number(field))
        for count, field in (*pixels, (record.positive(f.GROUPS), f.GROUP_INPUT_BYTES))
    )
    size, start = segment_bytes(record, read, step), record.address(f.INPUT)
    yield Reads(Box(record.address(f.SEGMENT_OFFSETS), (), 8 * segments))
    for offset in record.table(f.SEGMENT_OFFSETS, segments).tolist():
        yield Reads(Box(start + offset, repeats, size))
        yield Touches(Box(start + offset, repeats, read))


def results(record: Record, kernel: KernelName, rows: int, width: int, channels: int) -> Iterator[Access]:
    """Residuals, then what is stored over them or elsewhere; ``channels`` of each group."""
    groups = record.number(f.GROUPS)
    if kernel.result.residual:
        repeats = (
            (rows, record.number(f.RESIDUAL_ROW)),
            (width, record.number(f.RESIDUAL_PIXEL)),
            (groups, record.number(f.GROUP_CHANNELS)),
        )
        start, lanes = record.address(f.RESIDUAL), instruction_set(kernel.isa).lanes
        yield Reads(Box(start, repeats, channels))
        yield Touches(Box(start, repeats, channels + lanes - 1))
    size = element_bytes(record, kernel)
    repeats = (
        (rows, record.number(f.OUTPUT_ROW)),
        (width, record.number(f.OUTPUT_PIXEL)),
        (groups, size * record.number(f.GROUP_CHANNELS)),
    )
    yield Writes(Box(record.address(f.OUTPUT), repeats, size * channels))


@accesses_of("convolution.depthwise.convolve_depthwise")
def convolve_depthwise(record: Record) -> Iterator[Access]:
    """Rows of pixels, block of channels by block; what does not fill the last block is computed twice."""
    kernel, channels = record.tile_kernel(t.KERNEL), record.positive(f.GROUPS)
    record.require(kernel.channels <= channels, f"has {channels} channels for blocks of {kernel.channels}")
    rows, width = record.share(f.PANEL_ITEMS, record.positive(t.ROWS)), record.positive(t.COLUMNS)
    blocks, taps, padded = -(-channels // kernel.channels), kernel.unroll, padded_channels(kernel)
    repeats = (rows, record.number(f.ROW_STEP)), (width, record.number(f.PIXEL_STEP))
    beyond = padded - kernel.channels
    yield Reads(Box(record.address(f.SEGMENT_OFFSETS), (), 8 * taps))
    for offset in record.table(f.SEGMENT_OFFSETS, taps).tolist():
        start = record.address(f.INPUT) + offset
        yield Reads(Box(start, repeats, channels))
        yield Touches(Box(start, repeats, channels + beyond))
    dots = -(-taps // kernel.group)
    weights = (blocks, record.number(f.PANEL_BYTES)), weight_bytes(kernel, dots)
    yield Reads(Box(record.address(f.WEIGHTS), weights[:1], weights[1]))
    parameters = (blocks, record.number(f.PARAMETER_BYTES))
    yield Reads(Box(record.address(f.PARAMETERS), (parameters,), 8 * padded))
    if kernel.result.residual:
        beside = (rows, record.number(f.RESIDUAL_ROW)), (width, record.number(f.RESIDUAL_PIXEL))
        yield Reads(Box(record.address(f.RESIDUAL), beside, channels))
        yield Touches(Box(record.address(f.RESIDUAL), beside, channels + beyond))
    size = element_bytes(record, kernel)
    stored = (rows, record.number(f.OUTPUT_ROW)), (width, record.number(f.OUTPUT_PIXEL))
    yield Writes(Box(record.address(f.OUTPUT), stored, size * channels))
    yield from halo(record, f.HALO, rows)
