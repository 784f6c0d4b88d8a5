"""Steps of convolutions on matrix tiles, and of the input that is rearranged for them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.cpu.microkernels.matrix import BLOCK_FIELDS, LANES, MOST_ROWS, STEP_BYTES, SUMS_BYTES
from accelserve.kernels.cpu.microkernels.names import KernelName
from accelserve.kernels.cpu.microkernels.stack_rows import WIDTH, cells_a_turn
from accelserve.kernels.cpu.plan.accesses.convolution import (
    check_items,
    element_bytes,
    group_channels,
    padded_channels,
    panel_parameters,
    panel_weights,
    segment_bytes,
)
from accelserve.kernels.cpu.plan.accesses.declaration import (
    Access,
    Box,
    Reads,
    Record,
    Scattered,
    Touches,
    Writes,
    accesses_of,
)
from accelserve.kernels.cpu.plan.accesses.frames import halo
from accelserve.kernels.cpu.records import convolution as f
from accelserve.kernels.cpu.records import matrix as mx
from accelserve.kernels.cpu.records import stacks as s
from accelserve.kernels.cpu.records.frame import HEIGHT

WORKER_BYTES = 2 * SUMS_BYTES
MOST_GROUPS = 4096
"""More have no layer that suits matrix tiles."""
_TILE_ROWS = slice(48, 54)
"""Of the tile registers' configuration: rows of sums and inputs."""

_STACK = re.compile(r"stack_(\d+)_rows_of_(\d+)__[a-z0-9]+")


@accesses_of("convolution.rearranged.stack_rows")
def stack_rows(record: Record) -> Iterator[Access]:
    """Rows of cells of as many source rows."""
    name = record.kernel(s.KERNEL)
    match = _STACK.fullmatch(name)
    record.require(match is not None, f"names the kernel '{name}', which stacks no rows")
    stack, pixel = (int(part) for part in match.groups()) if match else (1, 1)
    record.require(0 < stack * pixel <= WIDTH, f"names the kernel '{name}', whose cells are too long")
    rows, turns = record.share(s.ITEMS, record.positive(s.ROWS)), record.positive(s.TURNS)
    cells, cell = cells_a_turn(stack, pixel), stack * pixel
    source, target = record.address(s.SOURCE), record.address(s.TARGET)
    row, target_row = record.number(s.SOURCE_ROW), record.number(s.TARGET_ROW)
    yield Touches(Box(source, ((rows + stack - 1, row),), (turns - 1) * cells * pixel + WIDTH))
    used, size = record.positive(s.USED_ROWS), record.positive(s.USED_BYTES)
    record.require(
        rows <= used < rows + stack and (turns - 1) * cells * pixel < size <= turns * cells * pixel,
        f"stacks {used} rows of {size} bytes, which its rows and turns are not for",
    )
    yield Reads(Box(source, ((used, row),), size))
    yield Writes(Box(target, ((rows, target_row),), (turns - 1) * cells * cell + WIDTH))


class _Blocks:
    """The table of blocks, position by position."""

    def __init__(self, record: Record, tile_rows: int) -> None:
        count, pitch = record.positive(mx.BLOCK_COUNT), record.positive(mx.PITCH)
        table = record.table(mx.BLOCKS, count, BLOCK_FIELDS)
        self.source, self.target, self.beside, column, pixels = table.T
        sound = (pixels >= 1) & (pixels <= 2 * tile_rows) & (column >= 0) & (column < pitch)
        record.require(bool(sound.all()), "has a table of blocks that contradicts its tiles")
        block, position = np.nonzero(np.arange(2 * tile_rows) < pixels[:, None])
        along = column[block] + position
        valid = along % pitch < record.number(mx.COLUMNS)
        self.block, self.position, self.ends = block[valid], position[valid], (along // pitch)[valid]
        self.tile, self.row = np.divmod(self.position, tile_rows)
        self.two = pixels > tile_rows

    def stored(self, record: Record, starts: NDArray[np.int64], pixel: int, jump: int) -> NDArray[np.int64]:
        """Offsets of the positions that are pixels, in the result or the residual."""
        steps = self.position * record.number(pixel) + self.ends * record.number(jump)
        return np.asarray(starts[self.block] + steps)


@accesses_of("convolution.matrix.convolve_matrix")
def convolve_matrix(record: Record) -> Iterator[Access]:
    """Blocks of two tiles by panels; positions between two rows are computed and thrown away."""
    full, last = (record.tile_kernel(mx.KERNEL + i) for i in range(2))
    tile_rows = full.rows // 2
    record.require(full.rows == last.rows == 2 * tile_rows > 0, "has kernels of different tiles")
    record.require(tile_rows <= MOST_ROWS, f"has tiles of {tile_rows} rows")
    record.require(record.positive(f.GROUPS) <= MOST_GROUPS, f"has {record.number(f.GROUPS)} groups")
    configured = record.constant(mx.CONFIGURATION, 64)[_TILE_ROWS]
    record.require(bool((configured <= tile_rows).all()), "configures more rows than its tiles have")
    channels, blocks = group_channels(record, full, last), _Blocks(record, tile_rows)
    record.require(blocks.block.size > 0, "has no position that is a pixel")
    check_items(record, record.number(mx.BLOCK_COUNT), record.positive(f.TILE_CHUNK))
    segments, turns = record.positive(f.SEGMENTS), record.positive(f.SEGMENT_GROUPS)
    yield Reads(Box(record.address(mx.BLOCKS), (), 8 * BLOCK_FIELDS * record.number(mx.BLOCK_COUNT)))
    yield Reads(Box(record.address(mx.CONFIGURATION), (), 64))
    yield from _window(record, blocks, tile_rows, segments, turns)
    # As many dot products as the instruction set's own kernels would take for whole steps.
    yield from panel_weights(record, full, last, segments * turns * STEP_BYTES // 4)
    yield from panel_parameters(record, full if record.number(f.PANELS) > 1 else last)
    sums = 4 * full.rows * max(padded_channels(full), padded_channels(last))
    record.require(sums <= SUMS_BYTES, f"keeps {sums} bytes of sums where {SUMS_BYTES} have room")
    yield Writes(Box(record.address(mx.SUMS), ((record.threads, WORKER_BYTES),), WORKER_BYTES))
    yield from _results(record, full, blocks, channels)
    yield from halo(record, f.HALO, record.number(f.HALO + HEIGHT))


def _groups(record: Record, offsets: NDArray[np.int64], pitch: int) -> NDArray[np.int64]:
    groups = pitch * np.arange(record.positive(f.GROUPS))
    return np.asarray((offsets[:, None] + groups).reshape(-1))


def _window(record: Record, blocks: _Blocks, tile_rows: int, segments: int, turns: int) -> Iterator[Access]:
    read, pixel, tile = turns * STEP_BYTES, record.number(f.PIXEL_STEP), record.number(mx.TILE_STEP)
    size, start = segment_bytes(record, read, STEP_BYTES), record.address(f.INPUT)
    used = blocks.source[blocks.block] + blocks.tile * tile + blocks.row * pixel
    touched = np.concatenate([blocks.source, blocks.source[blocks.two] + tile])
    touched = np.concatenate([touched, touched + (tile_rows - 1) * pixel])
    pitch = record.number(f.GROUP_INPUT_BYTES)
    yield Reads(Box(record.address(f.SEGMENT_OFFSETS), (), 8 * segments))
    boxes = Scattered(start, _groups(record, used, pitch), size).boxes()
    around = Scattered(start, _groups(record, touched, pitch), read)
    for offset in record.table(f.SEGMENT_OFFSETS, segments).tolist():
        yield from (Reads(replace(box, start=box.start + offset)) for box in boxes)
        yield Touches(replace(around, start=start + offset))


def _results(record: Record, kernel: KernelName, blocks: _Blocks, channels: int) -> Iterator[Access]:
    pitch = record.number(f.GROUP_CHANNELS)
    if kernel.result.residual:
        offsets = blocks.stored(record, blocks.beside, f.RESIDUAL_PIXEL, mx.RESIDUAL_JUMP)
        beside, start = _groups(record, offsets, pitch), record.address(f.RESIDUAL)
        yield Reads(Scattered(start, beside, channels))
        yield Touches(Scattered(start, beside, channels + LANES - 1))
    size = element_bytes(record, kernel)
    offsets = blocks.stored(record, blocks.target, f.OUTPUT_PIXEL, mx.OUTPUT_JUMP)
    yield Writes(Scattered(record.address(f.OUTPUT), _groups(record, offsets, size * pitch), size * channels))
