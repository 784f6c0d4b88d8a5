"""Which layers are computed by exact Winograd convolution, and by which form.

Sums are the same either way, so among the forms that are exact for the layer's weights only speed decides: a model of
the cycles that each way takes on one core. What it leaves out (caches, edges of a chunk) is a few per cent, so
Winograd is chosen only where it is faster by more.
"""

from __future__ import annotations

import math

from accelserve.kernels.cpu.compiler.convolution.exact_winograd import (
    ExactWinogradConvolution,
    is_exact,
    suits,
)
from accelserve.kernels.cpu.compiler.convolution.layer import Layer
from accelserve.kernels.cpu.microkernels.winograd_forms import F4, FORMS, Form

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
    tile = size * (cycles.input * plan.channels * plan.cut.panel_items + cycles.output * outputs)
    products = plan.tile_taps * pairs / cycles.macs
    return products + plan.tiles * tile + size * plan.weight_transforms * cycles.weight * pairs


def form_of(layer: Layer) -> Form | None:
    """The form that a layer should take; None if it is faster, or only possible, to convolve it directly."""
    if layer.context.isa.matrix or not suits(layer):
        return None
    costs = {
        form: winograd_cycles(ExactWinogradConvolution(layer, form))
        for form in FORMS
        if is_exact(layer, form)
    }
    if not costs:
        return None
    best = min(costs, key=lambda form: costs[form])
    return best if direct_cycles(layer) > LEAST_GAIN * costs[best] else None


def _up(number: int, step: int) -> int:
    return -(-number // step) * step
