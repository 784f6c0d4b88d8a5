"""What runs for a layer in the Winograd domain: transform patches, multiply tap by tap, transform back.

An item is a chunk of patches by a chunk of panels. Its worker keeps the transformed patches and the products of one
panel in scratch of its own, which stays in the second-level cache; it reads the weights of one tap of one panel at a
time, for all its patches.
"""

from __future__ import annotations

from accelserve.kernels.cpu.compiler.frames import fill_halo
from accelserve.kernels.cpu.compiler.step_function import step
from accelserve.kernels.cpu.microkernels.winograd import TAPS
from accelserve.kernels.cpu.records import convolution as f
from accelserve.kernels.cpu.records import winograd as w
from accelserve.kernels.cpu.records.frame import HEIGHT, PIXEL, WIDTH
from accelserve.kernels.native.jit import inlined
from accelserve.kernels.native.memory import call1, call6, field


@inlined
def transform_patches(record: int, first: int, last: int, scratch: int) -> None:
    """Quantized taps of patches ``first`` to ``last`` (excluded)."""
    columns, row, pixel = (
        field(record, w.PATCH_COLUMNS),
        field(record, f.ROW_STEP),
        field(record, w.SOURCE_PIXEL),
    )
    height = field(record, f.HALO + HEIGHT)
    for patch in range(first, last):
        y, x = patch // columns, patch % columns
        source = field(record, f.INPUT) + 2 * y * row + 2 * x * pixel
        # The fourth row of a last patch of odd height is outside; no valid result depends on it.
        last_row = 3 * row if 2 * y + 1 < height else 2 * row
        target = scratch + (patch - first) * field(record, f.PIXEL_STEP)
        call6(field(record, w.TRANSFORM), record, source, target, last_row, 0, 0)


@inlined
def multiply_taps(record: int, patches: int, panel: int, scratch: int, products: int) -> None:
    """Products of all taps with one panel; whole groups of patches, so the last group's surplus is not looked at."""
    rows = field(record, w.TILE_ROWS)
    last = 1 if panel == field(record, f.PANELS) - 1 else 0
    kernel, smaller = field(record, w.KERNEL + last), field(record, w.KERNEL_HALF + last)
    half = field(record, w.HALF_GROUP)
    for tap in range(TAPS):
        weights = field(record, f.WEIGHTS) + panel * field(record, f.PANEL_BYTES)
        weights += tap * field(record, w.LAST_TAP_WEIGHT_BYTES if last == 1 else w.TAP_WEIGHT_BYTES)
        parameters = field(record, f.PARAMETERS) + tap * field(record, w.TAP_PARAMETER_BYTES)
        parameters += panel * field(record, f.PARAMETER_BYTES)
        source = scratch + tap * field(record, w.TRANSFORMED_TAP)
        target = products + tap * field(record, w.PRODUCTS_TAP)
        for first in range(0, patches, rows):
            call6(
                smaller if patches - first <= half else kernel,
                record,
                source + first * field(record, f.PIXEL_STEP),
                weights,
                parameters,
                target + first * field(record, f.OUTPUT_PIXEL),
                0,
            )


@inlined
def finish_patches(record: int, first: int, last: int, panel: int, products: int) -> None:
    """Results of patches ``first`` to ``last`` (excluded) in one panel."""
    columns = field(record, w.PATCH_COLUMNS)
    height, width = field(record, f.HALO + HEIGHT), field(record, f.HALO + WIDTH)
    kernel = field(record, w.FINISH + (1 if panel == field(record, f.PANELS) - 1 else 0))
    channel = panel * field(record, f.PANEL_CHANNELS)
    parameters = field(record, f.PARAMETERS) + panel * field(record, f.PARAMETER_BYTES)
    for patch in range(first, last):
        y, x = patch // columns, patch % columns
        target = field(record, f.OUTPUT) + channel * field(record, f.OUTPUT_BYTES)
        target += 2 * y * field(record, f.OUTPUT_ROW) + 2 * x * field(record, f.HALO + PIXEL)
        residual = field(record, f.RESIDUAL) + channel
        residual += 2 * y * field(record, f.RESIDUAL_ROW) + 2 * x * field(record, f.RESIDUAL_PIXEL)
        inside = (1 if 2 * x + 1 < width else 0) + (2 if 2 * y + 1 < height else 0)
        source = products + (patch - first) * field(record, f.OUTPUT_PIXEL)
        call6(kernel, record, source, parameters, target, residual, inside)


@step
def convolve_winograd(record: int, item: int, thread: int) -> None:
    """The patches and panels of one item, and the halo beside the rows whose first patch is in it."""
    panel_items, chunk = field(record, f.PANEL_ITEMS), field(record, w.PATCH_CHUNK)
    patches, panels = field(record, w.PATCHES), field(record, f.PANELS)
    first = item // panel_items * chunk
    last = min(first + chunk, patches)
    first_panel = item % panel_items * panels // panel_items
    last_panel = (item % panel_items + 1) * panels // panel_items
    scratch = field(record, w.TRANSFORMED) + thread * field(record, w.THREAD_BYTES)
    products = scratch + field(record, w.PRODUCTS)
    transform_patches(record, first, last, scratch)
    if field(record, w.CONFIGURE) != 0:
        call1(field(record, w.CONFIGURE), field(record, w.CONFIGURATION))
    for panel in range(first_panel, last_panel):
        multiply_taps(record, last - first, panel, scratch, products)
        finish_patches(record, first, last, panel, products)
    if field(record, w.CONFIGURE) != 0:
        call1(field(record, w.RELEASE), 0)
    if first_panel == 0:
        columns, height = field(record, w.PATCH_COLUMNS), field(record, f.HALO + HEIGHT)
        above, below = (first + columns - 1) // columns * 2, (last + columns - 1) // columns * 2
        fill_halo(record + 8 * f.HALO, above, min(below, height))
