"""The step of convolutions in the Winograd domain."""

from __future__ import annotations

import re
from collections.abc import Iterator

from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.microkernels.winograd import TAPS, block_of, words_of
from accelserve.kernels.cpu.microkernels.winograd_matrix import STEP_BYTES
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
from accelserve.kernels.cpu.records import winograd as w
from accelserve.kernels.cpu.records.frame import HEIGHT, PIXEL, WIDTH

_FINISH = re.compile(r"winograd_finish_(?P<result>\w+?)_(?P<channels>\d+)__(?P<isa>[a-z0-9]+)")


class _Panel:
    """What the name of a panel's last kernel says."""

    def __init__(self, record: Record, position: int) -> None:
        name = record.kernel(position)
        match = _FINISH.fullmatch(name)
        record.require(match is not None, f"names the kernel '{name}', which finishes no patches")
        result, channels, isa = match.group("result", "channels", "isa") if match else ("f32", "1", "generic")
        self.isa: InstructionSet = instruction_set(isa)
        self.channels, self.size, self.residual = int(channels), 4 if result == "f32" else 1, "res" in result
        self.padded = -(-self.channels // self.isa.lanes) * self.isa.lanes


@accesses_of("convolution.winograd_step.convolve_winograd")
def convolve_winograd(record: Record) -> Iterator[Access]:
    """Patches transformed to scratch, multiplied tap by tap, transformed back."""
    full, last = (_Panel(record, w.FINISH + i) for i in range(2))
    height, width = record.positive(f.HALO + HEIGHT), record.positive(f.HALO + WIDTH)
    columns, patches, chunk = (record.positive(at) for at in (w.PATCH_COLUMNS, w.PATCHES, w.PATCH_CHUNK))
    record.require(
        columns == -(-width // 2) and patches == columns * -(-height // 2),
        f"has {patches} patches in rows of {columns} for {height} x {width} pixels",
    )
    record.require(
        record.items == -(-patches // chunk) * record.positive(f.PANEL_ITEMS),
        f"has {record.items} items, which are not all of its work",
    )
    yield from _source(record, full.isa, height, width)
    yield from _scratch(record, full, last, min(chunk, patches))
    yield from _weights(record, full, last)
    yield from _results(record, full, last, height, width)
    yield from halo(record, f.HALO, height)


def _source(record: Record, isa: InstructionSet, height: int, width: int) -> Iterator[Access]:
    """Rows beyond the window's last are not read; a column is, and what lies in it counts for nothing."""
    row, pixel = record.number(f.ROW_STEP), record.number(w.SOURCE_PIXEL)
    loaded = record.positive(w.CHANNEL_BLOCKS) * block_of(isa)
    start, across = record.address(f.INPUT), 2 * record.number(w.PATCH_COLUMNS) + 2
    yield Reads(Box(start, ((height + 2, row), (width + 2, pixel)), record.positive(f.SEGMENT_BYTES)))
    yield Touches(Box(start, ((height + 2, row), (across, pixel)), loaded))
    yield Reads(Box(record.address(w.TAP_TABLE), (), 6 * TAPS * words_of(isa)))


def _scratch(record: Record, full: _Panel, last: _Panel, patches: int) -> Iterator[Access]:
    rows, size = record.positive(w.TILE_ROWS), record.positive(f.SEGMENT_BYTES)
    whole = -(-patches // rows) * rows
    workers = (record.threads, record.positive(w.THREAD_BYTES))
    start, taps = record.address(w.TRANSFORMED), (TAPS, record.number(w.TRANSFORMED_TAP))
    pitch, loaded = record.number(f.PIXEL_STEP), record.number(w.CHANNEL_BLOCKS) * block_of(full.isa)
    yield Writes(Box(start, (workers, taps, (patches, pitch)), loaded))
    yield Reads(Box(start, (workers, taps, (patches, pitch)), size))
    step = STEP_BYTES if full.isa.matrix else pitch // record.positive(f.SEGMENT_GROUPS)
    yield Touches(Box(start, (workers, taps, (whole, pitch)), record.number(f.SEGMENT_GROUPS) * step))
    products, taps = start + record.number(w.PRODUCTS), (TAPS, record.number(w.PRODUCTS_TAP))
    for panel in (full, last):
        stored = panel.padded if full.isa.matrix else panel.channels
        repeats = workers, taps, (whole, record.number(f.OUTPUT_PIXEL))
        yield Writes(Box(products, repeats, 4 * stored))
        yield Reads(
            Box(products, (workers, taps, (patches, record.number(f.OUTPUT_PIXEL))), 4 * panel.channels)
        )


def _weights(record: Record, full: _Panel, last: _Panel) -> Iterator[Access]:
    isa, panels = full.isa, record.positive(f.PANELS)
    dots = (
        STEP_BYTES // isa.group
        if isa.matrix
        else record.number(f.PIXEL_STEP) // isa.group // record.number(f.SEGMENT_GROUPS)
    )
    dots *= record.number(f.SEGMENT_GROUPS)
    pitch, start = record.number(f.PANEL_BYTES), record.address(f.WEIGHTS)
    for count, first, panel, tap in (
        (panels - 1, 0, full, w.TAP_WEIGHT_BYTES),
        (1, panels - 1, last, w.LAST_TAP_WEIGHT_BYTES),
    ):
        repeats = (count, pitch), (TAPS, record.number(tap))
        size = dots * panel.padded * isa.group * isa.weight_bits // 8
        yield Reads(Box(start + first * pitch, repeats, size))
        parameters = record.number(f.PARAMETER_BYTES)
        repeats = (TAPS + 1, record.number(w.TAP_PARAMETER_BYTES)), (count, parameters)
        yield Reads(Box(record.address(f.PARAMETERS) + first * parameters, repeats, 8 * panel.padded))
    if isa.matrix:
        yield Reads(Box(record.address(w.CONFIGURATION), (), 64))
    else:
        record.require(record.table(f.SEGMENT_OFFSETS, 1)[0] == 0, "has segments apart from its patches")
        yield Reads(Box(record.address(f.SEGMENT_OFFSETS), (), 8))


def _results(record: Record, full: _Panel, last: _Panel, height: int, width: int) -> Iterator[Access]:
    channels = (record.number(f.PANELS) - 1) * record.number(f.PANEL_CHANNELS) + last.channels
    record.require(
        record.number(f.PANELS) == 1 or full.channels == record.number(f.PANEL_CHANNELS),
        f"has panels of {record.number(f.PANEL_CHANNELS)} channels for kernels of {full.channels}",
    )
    if full.residual:
        beside = (height, record.number(f.RESIDUAL_ROW)), (width, record.number(f.RESIDUAL_PIXEL))
        yield Reads(Box(record.address(f.RESIDUAL), beside, channels))
        yield Touches(Box(record.address(f.RESIDUAL), beside, channels + full.isa.lanes - 1))
    record.require(record.number(f.OUTPUT_BYTES) == full.size, "stores elements at another pitch than theirs")
    stored = (height, record.number(f.OUTPUT_ROW)), (width, record.number(f.HALO + PIXEL))
    yield Writes(Box(record.address(f.OUTPUT), stored, full.size * channels))
