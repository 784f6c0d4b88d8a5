"""What runs for an exact Winograd convolution: transform patches, multiply tap by tap, transform back.

An item is a chunk of tiles by a range of panels of output channels. Its worker keeps the transformed patches, the
products of a pass of panels, and two rows of taps of that pass's transformed weights in scratch of its own. Weights are
kept as int8 and transformed for every chunk: transformed they would be eight times as large, and stream from memory.
"""

from __future__ import annotations

from accelserve.kernels.cpu.compiler.frames import fill_halo
from accelserve.kernels.cpu.compiler.step_function import step
from accelserve.kernels.cpu.records import convolution as f
from accelserve.kernels.cpu.records import exact_winograd as w
from accelserve.kernels.cpu.records.frame import HEIGHT, WIDTH
from accelserve.kernels.native.jit import inlined
from accelserve.kernels.native.memory import call6, field, load_i64, prefetch

LINE_BYTES = 64


@inlined
def place_of(record: int, tile: int) -> tuple[int, int, int]:
    """Row and column of a tile's first result, and which of the kernels for its kind of tile."""
    rows, columns = field(record, w.TILE_ROWS), field(record, w.TILE_COLUMNS)
    longest_rows, longest_columns = field(record, w.LONGEST_ROWS), field(record, w.LONGEST_COLUMNS)
    first, shorter = 0, columns - longest_columns
    corner = longest_rows * shorter
    behind = corner + rows * longest_columns
    if corner <= tile < behind:
        row, column = (tile - corner) // longest_columns, (tile - corner) % longest_columns
    else:
        if tile >= behind:
            first, tile = longest_rows, tile - behind
        row, column = first + tile // shorter, longest_columns + tile % shorter
    starts = field(record, w.TILE_STARTS)
    y, x = load_i64(starts + 8 * row), load_i64(starts + 8 * (rows + column))
    return y, x, (2 if row >= longest_rows else 0) + (1 if column >= longest_columns else 0)


@inlined
def inside_of_tile(size: int, first: int, dilation: int) -> int:
    """How many rows (or columns) of a tile would be in the image, had it no last one."""
    if dilation == 1:  # a division takes as long as a dozen products
        return size - first
    return (size - 1 - first) // dilation + 1


@inlined
def tiles_of_tap(record: int, row: int, column: int, first: int, last: int) -> tuple[int, int]:
    """Those of tiles ``first`` to ``last`` (excluded) that have a tap; shorter ones lack a row or a column of them."""
    columns, longest_columns = field(record, w.TILE_COLUMNS), field(record, w.LONGEST_COLUMNS)
    lacking, longest_rows = field(record, w.SIDE) - 2, field(record, w.LONGEST_ROWS)
    if column == lacking:
        corner = longest_rows * (columns - longest_columns)
        first = max(first, corner)
        last = min(last, corner + field(record, w.TILE_ROWS) * longest_columns)
    if row == lacking:
        last = min(last, longest_rows * columns)
    return first, last


@inlined
def transform_patches(record: int, first: int, last: int, scratch: int) -> None:
    """Taps of the patches of tiles ``first`` to ``last`` (excluded)."""
    row_step, pixel_step = field(record, f.ROW_STEP), field(record, f.PIXEL_STEP)
    height, width = field(record, f.HALO + HEIGHT), field(record, f.HALO + WIDTH)
    down, right = field(record, w.DILATION), field(record, w.DILATION + 1)
    for tile in range(first, last):
        y, x, kind = place_of(record, tile)
        source = field(record, f.INPUT) + y * row_step + x * pixel_step
        target = scratch + (tile - first) * field(record, w.INPUT_TILE)
        # Windows reach two pixels beyond the last result.
        last_row = inside_of_tile(height, y, down) + 1
        last_column = inside_of_tile(width, x, right) + 1
        call6(field(record, w.TRANSFORM + kind), record, source, target, last_row, last_column, 0)


@inlined
def transform_weights(record: int, panel: int, pair: int, target: int) -> None:
    """One pair of rows of taps of one panel."""
    last = panel == field(record, f.PANELS) - 1
    blocks = field(record, w.LAST_WEIGHT_BLOCKS if last else w.WEIGHT_BLOCKS)
    source = field(record, f.WEIGHTS) + panel * field(record, f.PANEL_BYTES)
    call6(field(record, w.TRANSFORM_WEIGHTS), source, target, field(record, w.WEIGHT_TAP), blocks, pair, 0)


@inlined
def products_of_part(record: int) -> int:
    """Bytes of the products of one panel and one part of the channels, all taps."""
    side = field(record, w.SIDE)
    return side * side * field(record, w.PRODUCTS_TAP)


@inlined
def multiply_tap(
    record: int,
    tiles: int,
    first: int,
    last: int,
    source: int,
    weights: int,
    panel_weights: int,
    products: int,
) -> None:
    """One tap of some tiles with panels ``first`` to ``last`` (excluded); a group stays in the cache for all of them."""
    parts, most = field(record, w.PARTS), field(record, w.GROUP_TILES)
    groups = (tiles + most - 1) // most
    tile_bytes, product_bytes = field(record, w.INPUT_TILE), field(record, f.PARAMETER_BYTES) // 2
    part_products = products_of_part(record)
    for group in range(groups):
        begin = tiles * group // groups
        size = tiles * (group + 1) // groups - begin
        for panel in range(first, last):
            last_panel = 1 if panel == field(record, f.PANELS) - 1 else 0
            kernel = field(record, w.KERNEL + size - 1 + w.MOST_GROUP_TILES * last_panel)
            for part in range(parts):
                call6(
                    kernel,
                    source + begin * tile_bytes + part * field(record, w.PART_INPUT),
                    weights
                    + (panel - first) * panel_weights
                    + part * field(record, w.PART_WEIGHTS + last_panel),
                    products + ((panel - first) * parts + part) * part_products + begin * product_bytes,
                    field(record, w.TURNS),
                    tile_bytes,
                    product_bytes,
                )


@inlined
def row_of_pair(pair: int, second: int, side: int) -> int:
    """Rows that share what they are made from: the outermost two, then neighbours."""
    if pair == 0:
        return second * (side - 1)
    return 2 * pair - 1 + second


@inlined
def multiply(record: int, begin: int, end: int, first: int, last: int, scratch: int, products: int) -> None:
    """All taps of tiles ``begin`` to ``end`` with panels ``first`` to ``last`` (both excluded), two rows of taps at a time."""
    side, tap_bytes = field(record, w.SIDE), field(record, w.WEIGHT_TAP)
    ready = field(record, w.WEIGHTS_ARE_READY)
    weights = field(record, w.READY_WEIGHTS)
    if ready == 0:
        weights = products + field(record, w.PANEL_PASS) * field(record, w.PARTS) * products_of_part(record)
    panel_weights = (2 * side if ready == 0 else side * side) * tap_bytes
    # Another pass begins with weights that nothing has read yet; each tap asks for a share of them.
    following = field(record, f.WEIGHTS) + last * field(record, f.PANEL_BYTES)
    lines = 0
    if ready == 0 and last < field(record, f.PANELS):
        lines = (last - first) * field(record, f.PANEL_BYTES) // (LINE_BYTES * side * side)
    for pair in range(side // 2):
        pair_weights = weights
        if ready != 0:
            pair_weights += first * panel_weights + pair * 2 * side * tap_bytes
        else:
            for panel in range(first, last):
                transform_weights(record, panel, pair, weights + (panel - first) * panel_weights)
        for index in range(2 * side):
            row, column = row_of_pair(pair, index // side, side), index % side
            tap = row * side + column
            tile, last_tile = tiles_of_tap(record, row, column, begin, end)
            for _ in range(lines):
                prefetch(following)
                following += LINE_BYTES
            multiply_tap(
                record,
                last_tile - tile,
                first,
                last,
                scratch + tap * field(record, w.INPUT_TAP) + (tile - begin) * field(record, w.INPUT_TILE),
                pair_weights + index * tap_bytes,
                panel_weights,
                products
                + tap * field(record, w.PRODUCTS_TAP)
                + (tile - begin) * (field(record, f.PARAMETER_BYTES) // 2),
            )


@inlined
def finish_tiles(record: int, first: int, last: int, panel: int, products: int) -> None:
    """Results of tiles ``first`` to ``last`` (excluded) in one panel."""
    outputs = field(record, w.SIDE) - 2
    height, width = field(record, f.HALO + HEIGHT), field(record, f.HALO + WIDTH)
    kernels = w.FINISH + (4 if panel == field(record, f.PANELS) - 1 else 0)
    channel = panel * field(record, f.PANEL_CHANNELS)
    parameters = field(record, f.PARAMETERS) + panel * field(record, f.PARAMETER_BYTES)
    output = field(record, f.OUTPUT) + channel * field(record, f.OUTPUT_BYTES)
    residual = field(record, f.RESIDUAL) + channel
    down, right = field(record, w.DILATION), field(record, w.DILATION + 1)
    for tile in range(first, last):
        y, x, kind = place_of(record, tile)
        target = output + y * field(record, f.OUTPUT_ROW) + x * field(record, f.OUTPUT_PIXEL)
        other = residual + y * field(record, f.RESIDUAL_ROW) + x * field(record, f.RESIDUAL_PIXEL)
        rows = min(outputs - kind // 2, inside_of_tile(height, y, down))
        inside = rows * 8 + min(outputs - kind % 2, inside_of_tile(width, x, right))
        source = products + (tile - first) * (field(record, f.PARAMETER_BYTES) // 2)
        call6(field(record, kernels + kind), record, source, parameters, target, other, inside)


@step
def convolve_by_winograd(record: int, item: int, thread: int) -> None:
    """The tiles and panels of one item, and the halo beside as large a share of the rows."""
    panel_items, chunks = field(record, f.PANEL_ITEMS), field(record, w.CHUNKS)
    tiles, panels = field(record, w.TILES), field(record, f.PANELS)
    chunk, share = item // panel_items, item % panel_items
    first, last = tiles * chunk // chunks, tiles * (chunk + 1) // chunks
    scratch = field(record, w.SCRATCH) + thread * field(record, w.THREAD_BYTES)
    products = scratch + field(record, w.PRODUCTS)
    transform_patches(record, first, last, scratch)
    panel, end = share * panels // panel_items, (share + 1) * panels // panel_items
    while panel < end:
        following = min(panel + field(record, w.PANEL_PASS), end)
        multiply(record, first, last, panel, following, scratch, products)
        for each in range(panel, following):
            place = products + (each - panel) * field(record, w.PARTS) * products_of_part(record)
            finish_tiles(record, first, last, each, place)
        panel = following
    if share == 0:
        height = field(record, f.HALO + HEIGHT)
        fill_halo(record + 8 * f.HALO, height * chunk // chunks, height * (chunk + 1) // chunks)


@step
def prepare_weights(record: int, item: int, thread: int) -> None:  # noqa: ARG001 - every step has this signature
    """One pair of rows of taps of one panel, for all chunks of the layer."""
    side, tap_bytes = field(record, w.SIDE), field(record, w.WEIGHT_TAP)
    pairs = side // 2
    target = field(record, w.READY_WEIGHTS) + item * 2 * side * tap_bytes
    transform_weights(record, item // pairs, item % pairs, target)
