"""Steps of convolutions on copies of their activations, widened to int16 or with channels in other places."""

from __future__ import annotations

from collections.abc import Iterator

from accelserve.kernels.cpu.microkernels import permute
from accelserve.kernels.cpu.microkernels.widen import WIDTH
from accelserve.kernels.cpu.plan.accesses.convolution import (
    Tiles,
    constants_and_results,
    repairs,
    segment_bytes,
    tiles_of,
)
from accelserve.kernels.cpu.plan.accesses.declaration import (
    Access,
    Box,
    Moves,
    Reads,
    Record,
    Touches,
    Writes,
    accesses_of,
)
from accelserve.kernels.cpu.records import convolution as f
from accelserve.kernels.cpu.records import tiles as t


def _copy_of(record: Record) -> tuple[int, int]:
    """Bytes of a copied activation, and those of the input that a turn copies, by the kernel that does."""
    kernel = record.kernel(t.WIDEN).split("__")[0]
    record.require(kernel in {"widen", "permute"}, f"copies by the kernel '{kernel}'")
    return (2, WIDTH) if kernel == "widen" else (1, permute.WIDTH)


def _copied(
    record: Record, rows: int, pixels: int
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Counts of bytes of a copy for so many output pixels, and their steps in the input and in the copy."""
    row, pixel = record.number(t.SOURCE_ROW), record.number(t.SOURCE_PIXEL)
    element, width = _copy_of(record)
    steps = record.number(f.ROW_STEP), record.number(f.PIXEL_STEP)
    turns = record.number(t.RUN_BLOCKS)
    if turns > 0:
        record.require(
            steps[1] >= element * turns * width and (rows == 1 or steps[0] >= pixels * steps[1]),
            "copies pixels over each other",
        )
        return (rows, pixels, turns * width), (row, pixel, 1), (*steps, element)
    record.require(element == 2, "permutes more than single pixels")
    record.require(steps == (2 * row, 2 * pixel), "has a copy of other steps than twice the input's")
    size = (rows - 1) * row + (pixels - 1) * pixel + record.positive(t.WINDOW_BYTES)
    return (-(-size // WIDTH) * WIDTH,), (1,), (2,)


@accesses_of("convolution.widened.widen_input")
def widen_input(record: Record) -> Iterator[Access]:
    """All of a layer's input; byte by byte beside a byte of zero."""
    record.require(_copy_of(record)[0] == 2, "permutes channels for all output channels at once")
    record.require(record.items == record.number(f.PANEL_ITEMS), "copies a part of its input")
    counts, source, target = _copied(record, record.positive(t.ROWS), record.positive(t.COLUMNS))
    start, end = record.address(t.SOURCE), record.address(f.INPUT)
    for byte in range(_copy_of(record)[0]):
        yield Moves(
            Box(start, tuple(zip(counts, source, strict=True)), 1),
            Box(end + byte, tuple(zip(counts, target, strict=True)), 1),
        )


@accesses_of("convolution.widened.convolve_widened")
def convolve_widened(record: Record) -> Iterator[Access]:
    """Tiles by panels on a copy of the input, which each worker makes for its item or a step before has made."""
    of = tiles_of(record)
    record.require(record.number(t.COLUMNS) == of.width, "widens rows of another width")
    groups = record.positive(f.GROUPS), record.number(f.GROUP_INPUT_BYTES)
    yield Reads(Box(record.address(f.SEGMENT_OFFSETS), (), 8 * of.segments))
    offsets = record.table(f.SEGMENT_OFFSETS, of.segments).tolist()
    step, element = of.full.unroll * of.full.group, 2
    size = segment_bytes(record, of.dots * of.full.group, step)
    if record.number(t.WIDENED_BYTES) == 0:
        pixels = (of.rows, record.number(f.ROW_STEP)), (of.width, record.number(f.PIXEL_STEP)), groups
        for offset in offsets:
            yield Reads(Box(record.address(f.INPUT) + offset, pixels, element * size))
            yield Touches(Box(record.address(f.INPUT) + offset, pixels, element * of.dots * of.full.group))
    else:
        record.require(_copy_of(record)[0] == element, "copies its input for other kernels than its own")
        yield from _by_workers(record, of, offsets, size)
    yield from constants_and_results(record, of)


@accesses_of("convolution.permuted.convolve_permuted")
def convolve_permuted(record: Record) -> Iterator[Access]:
    """Tiles by panels on copies that each worker makes segment by segment, one for all panels of an order."""
    of = tiles_of(record)
    record.require(record.number(t.COLUMNS) == of.width, "copies rows of another width")
    record.require(record.positive(f.GROUPS) == 1, "permutes channels of several groups")
    record.require(_copy_of(record)[0] == 1, "copies its input for other kernels than its own")
    turns = record.positive(t.RUN_BLOCKS)
    read = of.dots * of.full.group
    segment_bytes(record, read, of.full.unroll * of.full.group)
    size = permute.WIDTH * turns
    record.require(read == size, f"copies {size} bytes of segments of {read}")
    orders = -(-record.positive(f.PANELS) // record.positive(t.ORDER_PANELS))
    # A table names no bytes beyond its block, whatever is in it.
    yield Reads(Box(record.address(t.SHUFFLES), (), orders * of.segments * permute.TABLE_BYTES * turns))
    source = (of.rows, record.number(t.SOURCE_ROW)), (of.width, record.number(t.SOURCE_PIXEL))
    for segment in range(of.segments):
        start = record.address(t.SOURCE) + segment * record.number(t.SOURCE_SEGMENT)
        yield Reads(Box(start, source, size))
    yield from _permuted_copies(record, of, size)
    yield from repairs(record, of)
    yield from constants_and_results(record, of)


def _permuted_copies(record: Record, of: Tiles, size: int) -> Iterator[Access]:
    """The workers' copies of windows whose segments have ``size`` bytes."""
    yield Reads(Box(record.address(f.SEGMENT_OFFSETS), (), 8 * of.segments))
    pitch = record.number(t.COPIED_SEGMENT)
    record.require(
        record.table(f.SEGMENT_OFFSETS, of.segments).tolist() == [pitch * k for k in range(of.segments)],
        "looks for segments elsewhere than it copies them to",
    )
    row, pixel = record.number(f.ROW_STEP), record.number(f.PIXEL_STEP)
    record.require(pixel == size, "permutes pixels with gaps")
    record.require(of.rows == 1 or row == of.width * pixel, "copies rows with gaps")
    copied = record.positive(t.COPIED_TILES) * record.number(t.TILE_ROWS) * pixel
    room = record.number(t.WIDENED_BYTES)
    record.require(of.segments == 1 or pitch >= copied, "copies segments over each other")
    last = (of.segments - 1) * pitch + copied
    record.require(last <= room, f"copies {last} bytes to {room}")
    yield Writes(Box(record.address(f.INPUT), ((record.threads, room),), last))


def _of_a_chunk(record: Record, of: Tiles) -> tuple[int, int]:
    """Most rows of a chunk, and most pixels of them."""
    tiles, chunk = record.number(t.TILES), record.number(f.TILE_CHUNK)
    if of.rows == 1:
        return 1, min(of.width, chunk * record.number(t.TILE_ROWS))
    return min(of.rows, (chunk - 2) // tiles + 2), of.width


def _by_workers(record: Record, of: Tiles, offsets: list[int], size: int) -> Iterator[Access]:
    """The input's bytes that count, the bytes that are copied, and the workers' copies."""
    element, width = _copy_of(record)
    group = record.number(f.GROUP_INPUT_BYTES) // element
    groups = record.number(f.GROUPS)
    source = (of.rows, record.number(t.SOURCE_ROW)), (of.width, record.number(t.SOURCE_PIXEL))
    turns = record.number(t.RUN_BLOCKS)
    window = turns * width if turns > 0 else record.positive(t.WINDOW_BYTES)
    for offset in offsets:
        record.require(
            offset // element >= 0 and offset // element + (groups - 1) * group + size <= window,
            f"reads {size} bytes at {offset // element} of a window of which it copies {window}",
        )
        yield Reads(Box(record.address(t.SOURCE) + offset // element, (*source, (groups, group)), size))
    rows, pixels = _of_a_chunk(record, of)
    all_counts, steps, _ = _copied(record, of.rows, of.width)
    yield Touches(Box(record.address(t.SOURCE), tuple(zip(all_counts, steps, strict=True)), 1))
    counts, _, steps = _copied(record, rows, pixels)
    last = sum((count - 1) * step for count, step in zip(counts, steps, strict=True)) + element
    workers, room = record.threads, record.number(t.WIDENED_BYTES)
    record.require(last <= room, f"copies {last} bytes to {room}")
    yield Writes(Box(record.address(f.INPUT), ((workers, room),), last))
    beyond = element * of.dots * of.full.group
    yield Touches(Box(record.address(f.INPUT), ((workers, room),), last + beyond))
