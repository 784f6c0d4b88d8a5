"""The steps of exact Winograd convolutions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from accelserve.kernels.cpu.microkernels.winograd_forms import FORMS, KERNEL
from accelserve.kernels.cpu.microkernels.winograd_products import channels_a_turn
from accelserve.kernels.cpu.microkernels.winograd_transforms import WINDOW, words_of
from accelserve.kernels.cpu.plan.accesses.declaration import (
    Access,
    Box,
    Reads,
    Record,
    Touches,
    UnprovenError,
    Writes,
    accesses_of,
    instruction_set,
)
from accelserve.kernels.cpu.plan.accesses.frames import halo
from accelserve.kernels.cpu.records import convolution as f
from accelserve.kernels.cpu.records import exact_winograd as w
from accelserve.kernels.cpu.records.frame import HEIGHT, WIDTH

_RESULTS = re.compile(
    r"winograd_results_(?P<form>f\d)_(?P<tile>\dx\d)_(?P<result>\w+?)_(?P<channels>\d+)x(?P<parts>\d+)"
    r"__(?P<isa>[a-z0-9]+)"
)
_PRODUCTS = re.compile(r"winograd_products_(?P<tiles>\d+)x(?P<vectors>\d+)__(?P<isa>[a-z0-9]+)")


class _Panel:
    """A full panel (``which`` 0) or the last one, as its kernels' names say."""

    def __init__(self, record: Record, which: int) -> None:
        kinds = _kinds(record)
        record.require(bool(kinds), "has no tiles")
        named = {kind: _named(record, w.FINISH + 4 * which + kind) for kind in kinds}
        form, _, result, channels, parts, isa = named[kinds[0]]
        record.require(form in map(str, FORMS), f"names the form '{form}', which there is none of")
        self.form = next(each for each in FORMS if str(each) == form)
        for kind, name in named.items():
            self._check_tiles(record, kind, name, (form, result, channels, parts, isa))
        self.isa, self.channels, self.parts = instruction_set(isa), int(channels), int(parts)
        self.size, self.residual = 4 if result == "f32" else 1, "res" in result
        self.padded = -(-self.channels // self.isa.lanes) * self.isa.lanes
        self.tap_bytes = (
            2 * record.positive((w.WEIGHT_BLOCKS, w.LAST_WEIGHT_BLOCKS)[which]) * words_of(self.isa)
        )
        inputs = self.parts * record.positive(w.TURNS) * channels_a_turn(self.isa)
        record.require(
            self.tap_bytes == 2 * inputs * self.padded,
            f"has {self.tap_bytes} bytes of a tap's weights for {inputs} by {self.padded} channels",
        )
        record.require(
            self.parts == record.number(w.PARTS)
            and self.parts * record.number(w.PART_INPUT) == 2 * inputs
            and self.parts * record.number(w.PART_WEIGHTS + which) == self.tap_bytes,
            f"has {record.number(w.PARTS)} parts of the channels for kernels of {self.parts}",
        )
        record.require(
            2 * inputs == record.number(w.INPUT_TILE)
            and inputs == record.positive(w.CHANNEL_BLOCKS) * words_of(self.isa),
            f"has {record.number(w.INPUT_TILE)} bytes of a transformed tile for {inputs} channels",
        )
        most = record.positive(w.GROUP_TILES)
        record.require(most <= w.MOST_GROUP_TILES, f"has groups of {most} tiles")
        for tiles in range(1, most + 1):
            self._check_products(record, w.KERNEL + w.MOST_GROUP_TILES * which + tiles - 1, tiles)

    def _check_tiles(self, record: Record, kind: int, name: Sequence[str], others: Sequence[str]) -> None:
        """That the kernels for a kind of tile are those for its spans, and otherwise like the others'."""
        form, tile, *rest = name
        spans = self.form.spans
        down, right = divmod(kind, 2)
        record.require(max(down, right) < len(spans), f"has tiles of spans that {self.form} does not have")
        text = f"{spans[down].outputs}x{spans[right].outputs}"
        record.require(
            tile == text and (form, *rest) == tuple(others),
            f"finishes tiles of {text} by a kernel for {tile}",
        )
        transform = record.kernel(w.TRANSFORM + kind)
        wanted = f"winograd_input_{form}_{text}__{rest[-1]}"
        record.require(transform == wanted, f"transforms tiles of {text} by the kernel '{transform}'")

    def _check_products(self, record: Record, position: int, size: int) -> None:
        name = record.kernel(position)
        match = _PRODUCTS.fullmatch(name)
        record.require(match is not None, f"names the kernel '{name}', which multiplies no tiles")
        tiles, vectors = map(int, match.group("tiles", "vectors")) if match else (0, 0)
        record.require(
            tiles == size and vectors * self.isa.lanes == self.padded,
            f"has groups of {size} tiles by {self.padded} channels for the kernel '{name}'",
        )


def _kinds(record: Record) -> list[int]:
    """Of tiles, that there are."""
    rows, columns = record.positive(w.TILE_ROWS), record.positive(w.TILE_COLUMNS)
    tiles = record.number(w.TILES)
    record.require(tiles == rows * columns, f"has {tiles} tiles in {rows} rows of {columns}")
    counts = []
    for every, position in ((rows, w.LONGEST_ROWS), (columns, w.LONGEST_COLUMNS)):
        longest = record.number(position)
        record.require(
            0 <= longest <= every, f"has {longest} of {every} rows or columns of the longest tiles"
        )
        counts.append((longest, every - longest))
    return [
        2 * down + right for down in range(2) for right in range(2) if counts[0][down] and counts[1][right]
    ]


def _named(record: Record, position: int) -> tuple[str, str, str, str, str, str]:
    """Form, tile, result, channels, parts and instruction set, from the name of a kernel that finishes tiles."""
    name = record.kernel(position)
    match = _RESULTS.fullmatch(name)
    if match is None:
        raise UnprovenError(f"names the kernel '{name}', which finishes no tiles")
    return match["form"], match["tile"], match["result"], match["channels"], match["parts"], match["isa"]


def _chunk(record: Record) -> int:
    return -(-record.positive(w.TILES) // record.positive(w.CHUNKS))


def _panels(record: Record) -> tuple[_Panel, _Panel]:
    full, last = _Panel(record, 0), _Panel(record, 1)
    side, width = record.positive(w.SIDE), record.number(f.PANEL_CHANNELS)
    record.require(full.form == last.form and side == full.form.side, "has kernels of different forms")
    record.require(
        full.channels == width and (record.positive(f.PANELS) > 1 or last.channels == width),
        f"has panels of {width} channels for kernels of {full.channels}",
    )
    return full, last


@accesses_of("convolution.exact_winograd_step.prepare_weights")
def prepare_weights(record: Record) -> Iterator[Access]:
    """All weights, transformed once."""
    full, last = _panels(record)
    record.require(
        record.items * 2 == record.positive(f.PANELS) * full.form.side,
        f"has {record.items} items, which are not all of its work",
    )
    yield from _packed_weights(record, full, last)
    for place in _ready_weights(record, full, last):
        yield Writes(place)


@accesses_of("convolution.exact_winograd_step.convolve_by_winograd")
def convolve_by_winograd(record: Record) -> Iterator[Access]:
    """Patches transformed to scratch, multiplied tap by tap, transformed back."""
    full, last = _panels(record)
    height, width = record.positive(f.HALO + HEIGHT), record.positive(f.HALO + WIDTH)
    yield from _tile_starts(record, full.form.outputs, height, width)
    record.require(
        record.items == record.positive(w.CHUNKS) * record.positive(f.PANEL_ITEMS),
        f"has {record.items} items, which are not all of its work",
    )
    yield from _source(record, full, height, width)
    yield from _scratch(record, full, last)
    panels, pitch = record.number(f.PANELS), record.number(f.PARAMETER_BYTES)
    yield Reads(Box(record.address(f.PARAMETERS), ((panels, pitch),), 8 * last.padded))
    yield Reads(Box(record.address(f.PARAMETERS), ((panels - 1, pitch),), 8 * full.padded))
    yield from _results(record, full, last, height, width)
    yield from halo(record, f.HALO, height)


def _tile_starts(record: Record, outputs: int, height: int, width: int) -> Iterator[Access]:
    """Where tiles begin; no pixel may be of two tiles, nor of none."""
    rows, columns = record.positive(w.TILE_ROWS), record.positive(w.TILE_COLUMNS)
    starts = record.table(w.TILE_STARTS, rows + columns)
    for length, firsts, longest, dilation in (
        (height, starts[:rows], record.number(w.LONGEST_ROWS), record.positive(w.DILATION)),
        (width, starts[rows:], record.number(w.LONGEST_COLUMNS), record.positive(w.DILATION + 1)),
    ):
        spans = [outputs] * longest + [outputs - 1] * (len(firsts) - longest)
        covered = [
            first + dilation * k
            for first, span in zip(firsts.tolist(), spans, strict=True)
            for k in range(span)
        ]
        record.require(
            bool((firsts < length).all())
            and sorted(each for each in covered if each < length) == list(range(length)),
            f"has {rows} rows of {columns} tiles for {height} x {width} pixels",
        )
    yield Reads(Box(record.address(w.TILE_STARTS), (), 8 * (rows + columns)))


def _source(record: Record, panel: _Panel, height: int, width: int) -> Iterator[Access]:
    """What lies beyond a window's last row or column is not read, nor beyond a pixel's channels looked at."""
    repeats = (
        (height + (KERNEL - 1) * record.number(w.DILATION), record.number(f.ROW_STEP)),
        (width + (KERNEL - 1) * record.number(w.DILATION + 1), record.number(f.PIXEL_STEP)),
    )
    start, loaded = record.address(f.INPUT), record.positive(w.CHANNEL_BLOCKS) * words_of(panel.isa)
    yield Reads(Box(start, repeats, record.positive(w.INPUT_CHANNELS)))
    yield Touches(Box(start, repeats, loaded))


def _scratch(record: Record, full: _Panel, last: _Panel) -> Iterator[Access]:
    workers = record.threads, record.positive(w.THREAD_BYTES)
    taps, chunk, start = full.form.taps, _chunk(record), record.address(w.SCRATCH)
    tiles = workers, (taps, record.number(w.INPUT_TAP)), (chunk, record.number(w.INPUT_TILE))
    yield Writes(Box(start, tiles, 2 * record.number(w.CHANNEL_BLOCKS) * words_of(full.isa)))
    yield Reads(Box(start, tiles, 2 * record.number(w.CHANNEL_BLOCKS) * words_of(full.isa)))
    panel_pass, tap = record.positive(w.PANEL_PASS), record.number(w.PRODUCTS_TAP)
    of_products = panel_pass * full.parts * taps
    products, pitch = start + record.number(w.PRODUCTS), record.number(f.PARAMETER_BYTES) // 2
    if record.number(w.WEIGHTS_ARE_READY) == 0:
        yield from _packed_weights(record, full, last)
        rows = workers, (panel_pass * 2 * full.form.side, record.number(w.WEIGHT_TAP))
        made = Box(products + of_products * tap, rows, full.tap_bytes)
        yield Writes(made)
        yield Reads(made)
    else:
        for place in _ready_weights(record, full, last):
            yield Reads(place)
    sums = Box(products, (workers, (of_products, tap), (chunk, pitch)), 4 * full.padded)
    yield Writes(sums)
    yield Reads(sums)


def _packed_weights(record: Record, full: _Panel, last: _Panel) -> Iterator[Access]:
    panels, pitch, start = record.positive(f.PANELS), record.number(f.PANEL_BYTES), record.address(f.WEIGHTS)
    # A byte for every two of a transformed tap, as many times as a window has weights.
    yield Reads(Box(start, ((panels - 1, pitch),), full.tap_bytes // 2 * WINDOW))
    yield Reads(Box(start + (panels - 1) * pitch, (), last.tap_bytes // 2 * WINDOW))


def _ready_weights(record: Record, full: _Panel, last: _Panel) -> Iterator[Box]:
    panels, taps, tap = record.positive(f.PANELS), full.form.taps, record.number(w.WEIGHT_TAP)
    start = record.address(w.READY_WEIGHTS)
    if panels > 1:
        yield Box(start, (((panels - 1) * taps, tap),), full.tap_bytes)
    yield Box(start + (panels - 1) * taps * tap, ((taps, tap),), last.tap_bytes)


def _results(record: Record, full: _Panel, last: _Panel, height: int, width: int) -> Iterator[Access]:
    channels = (record.number(f.PANELS) - 1) * full.channels + last.channels
    if full.residual:
        beside = (height, record.number(f.RESIDUAL_ROW)), (width, record.number(f.RESIDUAL_PIXEL))
        yield Reads(Box(record.address(f.RESIDUAL), beside, channels))
        yield Touches(Box(record.address(f.RESIDUAL), beside, channels + full.isa.lanes - 1))
    record.require(record.number(f.OUTPUT_BYTES) == full.size, "stores elements at another pitch than theirs")
    stored = (height, record.number(f.OUTPUT_ROW)), (width, record.number(f.OUTPUT_PIXEL))
    yield Writes(Box(record.address(f.OUTPUT), stored, full.size * channels))
