"""Concatenations, reshapes, slices and transposes, and whole blocks of the networks that live on them."""

from __future__ import annotations

import numpy as np

from accelserve.kernels import ir
from tests.kernels.devices.case_registry import case
from tests.kernels.devices.integer_graphs import IntegerGraphBuilder


@case
def concat_of_convolutions(g: IntegerGraphBuilder) -> list[str]:
    x = g.input(4, 5, 16)
    return [g.concat(3, g.conv(x, 32), g.conv(x, 16), g.conv(x, 64))]


@case
def concat_at_odd_channels(g: IntegerGraphBuilder) -> list[str]:
    x = g.input(4, 5, 16)
    whole = g.concat(3, g.conv(x, 7), g.maximum(x, 1), g.conv(x, 13))
    return [whole, g.conv(whole, 20, 3, padding=1)]


@case
def concat_growing_as_in_densenet(g: IntegerGraphBuilder) -> list[str]:
    x = g.conv(g.input(6, 6, 3), 24, 3, padding=1)
    for _ in range(3):
        grown = g.conv(g.affine(x), 8, 3, padding=1)
        x = g.concat(3, x, grown)
    return [x, g.average(x, (2, 2), stride=2)]


@case
def concat_of_all_so_far(g: IntegerGraphBuilder) -> list[str]:
    parts = [g.conv(g.input(5, 5, 3), 16, 3, padding=1)]
    for _ in range(3):
        parts.append(g.conv(g.concat(3, *parts), 12, 3, padding=1))
    return [g.concat(3, *parts)]


@case
def concat_of_one_value_twice(g: IntegerGraphBuilder) -> list[str]:
    y = g.conv(g.input(3, 3, 8), 10)
    return [g.concat(3, y, y, g.lookup(y))]


@case
def concat_of_inputs(g: IntegerGraphBuilder) -> list[str]:
    return [g.concat(3, g.input(3, 4, 5), g.input(3, 4, 6))]


@case
def concat_of_rows(g: IntegerGraphBuilder) -> list[str]:
    x = g.input(3, 4, 16)
    return [g.concat(1, g.conv(x, 12), g.conv(x, 12)), g.concat(2, g.conv(x, 6), g.conv(x, 6))]


@case
def heads_as_in_ssd(g: IntegerGraphBuilder) -> list[str]:
    boxes = []
    for size in (6, 3, 1):
        head = g.conv(g.input(size, size, 16), 24, 3, padding=1, float_result=True)
        boxes.append(g.add(ir.Reshape((1, size * size * 6, 4)), head))
    return [g.concat(1, *boxes)]


@case
def reshape_then_convolve(g: IntegerGraphBuilder) -> list[str]:
    y = g.conv(g.input(4, 4, 8), 10)
    return [g.conv(g.add(ir.Reshape((1, 1, 1, 160)), y), 20)]


@case
def reshape_of_a_part_of_a_concat(g: IntegerGraphBuilder) -> list[str]:
    x = g.input(3, 3, 8)
    a, b = g.conv(x, 5), g.conv(x, 6)
    flat = g.add(ir.Reshape((1, 45)), a)
    return [g.concat(3, a, b), flat]


@case
def slice_with_steps(g: IntegerGraphBuilder) -> list[str]:
    y = g.conv(g.input(7, 8, 8), 24)
    return [g.add(ir.Slice((0, 1, 0, 4), (1, 7, 8, 20), (1, 2, 3, 1)), y)]


@case
def transpose_to_channels_first(g: IntegerGraphBuilder) -> list[str]:
    y = g.conv(g.input(5, 6, 8), 11)
    return [g.add(ir.Transpose((0, 3, 1, 2)), y)]


@case
def shuffle_of_channels(g: IntegerGraphBuilder) -> list[str]:
    y = g.conv(g.input(4, 4, 8), 12)
    split = g.add(ir.Reshape((1, 4, 4, 3, 4)), y)
    mixed = g.add(ir.Reshape((1, 4, 4, 12)), g.add(ir.Transpose((0, 1, 2, 4, 3)), split))
    return [mixed, g.conv(mixed, 12, 3, padding=1)]


@case
def result_that_others_read_too(g: IntegerGraphBuilder) -> list[str]:
    y = g.conv(g.input(5, 5, 16), 24)
    return [y, g.conv(y, 16), g.maximum(y, 2)]


@case
def block_as_in_resnet(g: IntegerGraphBuilder) -> list[str]:
    x = g.maximum(g.conv(g.input(16, 16, 3), 16, 7, stride=2, padding=3), 3, stride=2, padding=1)
    short = g.conv(x, 32, stride=2)
    inner = g.conv(g.conv(x, 8), 8, 3, padding=1, stride=2)
    return [g.average(g.conv(inner, 32, residual=short), (2, 2))]


# --- float32 operators after and between integer ones ------------------------------------------------------------


@case
def softmax_at_the_end(g: IntegerGraphBuilder) -> list[str]:
    logits = g.conv(g.input(1, 1, 40), 21, float_result=True)
    return [g.add(ir.Softmax(1), g.add(ir.Reshape((1, 21)), logits))]


@case
def normalization_between_convolutions(g: IntegerGraphBuilder) -> list[str]:
    unit = g.add(ir.L2Normalize(), g.conv(g.input(5, 5, 8), 24, 3, padding=1, float_result=True))
    scaled = g.add(ir.Mul(), unit, g.constant(np.full(24, 20.0, np.float32)))
    scale, zero = g.constant(np.array(0.05, np.float32)), g.constant(np.array(128, np.uint8))
    return [g.conv(g.add(ir.Quantize(), scaled, scale, zero), 16, 3, padding=1), scaled]
