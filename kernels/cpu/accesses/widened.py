"""Steps of convolutions on activations that are widened to int16 first."""

from __future__ import annotations

from collections.abc import Iterator

from accelserve.kernels.cpu.accesses.convolution import Tiles, constants_and_results, segment_bytes, tiles_of
from accelserve.kernels.cpu.accesses.declaration import (
    Access,
    Box,
    Moves,
    Reads,
    Record,
    Touches,
    Writes,
    accesses_of,
)
from accelserve.kernels.cpu.microkernels import conv_fields as f
from accelserve.kernels.cpu.microkernels.widen import WIDTH


def _copied(
    record: Record, rows: int, pixels: int
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Counts of bytes of a copy for so many output pixels, and their steps in the input and in the copy."""
    row, pixel = record.number(f.SOURCE_ROW), record.number(f.SOURCE_PIXEL)
    steps = record.number(f.ROW_STEP), record.number(f.PIXEL_STEP)
    turns = record.number(f.RUN_BLOCKS)
    if turns > 0:
        record.require(steps[1] >= 2 * turns * WIDTH, "copies pixels over each other")
        return (rows, pixels, turns * WIDTH), (row, pixel, 1), (*steps, 2)
    record.require(steps == (2 * row, 2 * pixel), "has a copy of other steps than twice the input's")
    size = (rows - 1) * row + (pixels - 1) * pixel + record.positive(f.WINDOW_BYTES)
    return (-(-size // WIDTH) * WIDTH,), (1,), (2,)


@accesses_of("convolution.widened.widen_input")
def widen_input(record: Record) -> Iterator[Access]:
    """All of a layer's input, byte by byte beside a byte of zero."""
    record.require(record.items == record.number(f.PANEL_ITEMS), "copies a part of its input")
    counts, source, target = _copied(record, record.positive(f.ROWS), record.positive(f.COLUMNS))
    start, end = record.address(f.SOURCE), record.address(f.INPUT)
    for byte in range(2):
        yield Moves(
            Box(start, tuple(zip(counts, source, strict=True)), 1),
            Box(end + byte, tuple(zip(counts, target, strict=True)), 1),
        )


@accesses_of("convolution.widened.convolve_widened")
def convolve_widened(record: Record) -> Iterator[Access]:
    """Tiles by panels on a copy of the input, which each worker makes for its item or a step before has made."""
    of = tiles_of(record)
    record.require(record.number(f.COLUMNS) == of.width, "widens rows of another width")
    groups = record.positive(f.GROUPS), record.number(f.GROUP_INPUT_BYTES)
    yield Reads(Box(record.address(f.SEGMENT_OFFSETS), (), 8 * of.segments))
    offsets = record.table(f.SEGMENT_OFFSETS, of.segments).tolist()
    step = of.full.unroll * of.full.group
    size = segment_bytes(record, of.dots * of.full.group, step)
    if record.number(f.WIDENED_BYTES) == 0:
        pixels = (of.rows, record.number(f.ROW_STEP)), (of.width, record.number(f.PIXEL_STEP)), groups
        for offset in offsets:
            yield Reads(Box(record.address(f.INPUT) + offset, pixels, 2 * size))
            yield Touches(Box(record.address(f.INPUT) + offset, pixels, 2 * of.dots * of.full.group))
    else:
        yield from _by_workers(record, of, offsets, size)
    yield from constants_and_results(record, of)


def _by_workers(record: Record, of: Tiles, offsets: list[int], size: int) -> Iterator[Access]:
    """The input's bytes that count, the bytes that are copied, and the workers' copies."""
    group = record.number(f.GROUP_INPUT_BYTES) // 2
    groups = record.number(f.GROUPS)
    source = (of.rows, record.number(f.SOURCE_ROW)), (of.width, record.number(f.SOURCE_PIXEL))
    turns = record.number(f.RUN_BLOCKS)
    window = turns * WIDTH if turns > 0 else record.positive(f.WINDOW_BYTES)
    for offset in offsets:
        record.require(
            offset // 2 >= 0 and offset // 2 + (groups - 1) * group + size <= window,
            f"reads {size} bytes at {offset // 2} of a window of which it copies {window}",
        )
        yield Reads(Box(record.address(f.SOURCE) + offset // 2, (*source, (groups, group)), size))
    tiles, chunk = record.number(f.TILES), record.number(f.TILE_CHUNK)
    rows, pixels = min(of.rows, (chunk - 2) // tiles + 2), of.width
    if of.rows == 1:
        pixels = min(of.width, chunk * record.number(f.TILE_ROWS))
    all_counts, steps, _ = _copied(record, of.rows, of.width)
    yield Touches(Box(record.address(f.SOURCE), tuple(zip(all_counts, steps, strict=True)), 1))
    counts, _, steps = _copied(record, rows, pixels)
    last = sum((count - 1) * step for count, step in zip(counts, steps, strict=True)) + 2
    workers, room = record.threads, record.number(f.WIDENED_BYTES)
    record.require(last <= room, f"copies {last} bytes to {room}")
    yield Writes(Box(record.address(f.INPUT), ((workers, room),), last))
    beyond = 2 * of.dots * of.full.group
    yield Touches(Box(record.address(f.INPUT), ((workers, room),), last + beyond))
