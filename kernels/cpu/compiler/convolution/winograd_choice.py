"""Which layers are computed by exact Winograd convolution, and by which form.

Sums are the same either way, so among the forms that are exact for the layer's weights only speed decides: a model of
the cycles that each way takes on one core. What it leaves out (caches, edges of a chunk) is a few per cent, so
Winograd is chosen only where it is faster by more.
"""

from __future__ import annotations

import math

from accelserve.kernels.cpu.compiler.convolution.exact_winograd import (
    ExactWinogradConvolution,
    parts_of,
    suits,
)
from accelserve.kernels.cpu.compiler.convolution.layer import Layer
from accelserve.kernels.cpu.microkernels.winograd_forms import F4, FORMS

LEAST_GAIN = 1.03


def direct_cycles(layer: Layer) -> float:
    """Of direct convolution; channels of both sides fill whole groups and vectors."""
    isa = layer.context.isa
    products = _up(layer.per_group, isa.group) * _up(layer.k, isa.lanes)
    return float(math.prod(layer.output_size) * layer.r * layer.s * products / isa.words.cycles.direct_macs)


def winograd_cycles(plan: ExactWinogradConvolution) -> float:
    """Of a form: products, and what its transforms take beside."""
    cycles, form = plan.isa.words.cycles, plan.form
    outputs = _up(plan.layer.k, plan.isa.lanes)
    pairs = plan.channels * outputs
    # Transforms of a smaller patch take as much less as it is smaller.
    size = form.taps / F4.taps
    # Each part of the channels is transformed back by itself.
    outputs_of_parts = plan.parts * outputs
    tile = size * (cycles.input * plan.channels * plan.cut.panel_items + cycles.output * outputs_of_parts)
    products = plan.tile_taps * pairs / cycles.macs
    return products + plan.tiles * tile + size * plan.weight_transforms * cycles.weight * pairs


def by_winograd(layer: Layer) -> ExactWinogradConvolution | None:
    """How a layer should be computed by a form; None if it is faster, or only possible, to convolve it directly."""
    if layer.context.isa.matrix or not suits(layer):
        return None
    ways = [
        ExactWinogradConvolution(layer, form, parts)
        for form in FORMS
        if (parts := parts_of(layer, form)) is not None
    ]
    if not ways:
        return None
    costs = list(map(winograd_cycles, ways))
    return ways[costs.index(min(costs))] if direct_cycles(layer) > LEAST_GAIN * min(costs) else None


def _up(number: int, step: int) -> int:
    return -(-number // step) * step
