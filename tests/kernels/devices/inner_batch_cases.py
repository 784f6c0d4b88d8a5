"""Operators over a leading axis longer than 1, into which a network folded another one: each makes one image's result."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from accelserve.kernels import ir
from tests.kernels.devices.integer_graphs import IntegerGraphBuilder
from tests.kernels.devices.winograd_graphs import FORMS, winograd_convolution

InnerBatchCase = Callable[[IntegerGraphBuilder], str]
INNER_BATCH_CASES: dict[str, InnerBatchCase] = {}


def case(function: InnerBatchCase) -> InnerBatchCase:
    """Register a case under its function's name, with dashes."""
    INNER_BATCH_CASES[function.__name__.replace("_", "-")] = function
    return function


def images(g: IntegerGraphBuilder, count: int, *shape: int) -> str:
    """``count`` images of one input."""
    return g.add(ir.Reshape((count, *shape)), g.input(count * shape[0], *shape[1:]))


def reals(g: IntegerGraphBuilder, value: str) -> str:
    scale, zero = g.constant(np.array(0.07, np.float32)), g.constant(np.array(93, np.uint8))
    return g.add(ir.Dequantize(), value, scale, zero)


def pool(kernel: tuple[int, int], stride: tuple[int, int] = (1, 1), padding: int = 0) -> ir.Window:
    return ir.Window(kernel=kernel, strides=stride, padding=(padding,) * 4)


@case
def conv_1x1(g: IntegerGraphBuilder) -> str:
    return g.conv(images(g, 3, 5, 6, 16), 32)


@case
def conv_padded(g: IntegerGraphBuilder) -> str:
    return g.conv(images(g, 3, 5, 6, 8), 19, 3, padding=1)


@case
def conv_without_padding(g: IntegerGraphBuilder) -> str:
    return g.conv(images(g, 2, 7, 5, 8), 12, 3)


@case
def conv_with_a_stride_that_divides_nothing(g: IntegerGraphBuilder) -> str:
    return g.conv(images(g, 3, 7, 9, 8), 12, 3, stride=2, padding=1)


@case
def conv_with_a_stride_past_the_window(g: IntegerGraphBuilder) -> str:
    return g.conv(images(g, 3, 5, 7, 8), 12, 1, stride=3)


@case
def conv_padded_differently_on_every_side(g: IntegerGraphBuilder) -> str:
    return g.conv(images(g, 2, 6, 7, 20), 12, 3, stride=2, padding=(0, 1, 2, 3), input_zero_point=200)


@case
def conv_of_patches(g: IntegerGraphBuilder) -> str:
    return g.conv(images(g, 2, 8, 8, 3), 24, 4, stride=4)


@case
def conv_as_large_as_the_image(g: IntegerGraphBuilder) -> str:
    return g.conv(images(g, 4, 3, 3, 16), 10, 3)


@case
def conv_dilated(g: IntegerGraphBuilder) -> str:
    return g.conv(images(g, 2, 9, 9, 8), 16, 3, padding=2, dilation=2)


@case
def conv_grouped(g: IntegerGraphBuilder) -> str:
    return g.conv(images(g, 2, 6, 6, 24), 48, 3, padding=1, groups=6)


@case
def conv_depthwise(g: IntegerGraphBuilder) -> str:
    return g.conv(images(g, 3, 7, 6, 70), 70, 3, padding=1, groups=70)


@case
def conv_depthwise_with_stride(g: IntegerGraphBuilder) -> str:
    return g.conv(images(g, 3, 7, 7, 16), 16, 3, padding=1, stride=2, groups=16)


@case
def conv_float_result(g: IntegerGraphBuilder) -> str:
    return g.conv(images(g, 2, 5, 4, 30), 21, 3, padding=1, float_result=True)


@case
def conv_with_residual(g: IntegerGraphBuilder) -> str:
    x = images(g, 2, 5, 5, 16)
    return g.conv(g.conv(x, 16, 3, padding=1), 16, 3, padding=1, residual=x, intermediate=True)


@case
def conv_1x1_with_residual(g: IntegerGraphBuilder) -> str:
    x = images(g, 2, 5, 5, 16)
    return g.conv(g.conv(x, 8), 16, residual=x)


@case
def conv_in_the_winograd_domain(g: IntegerGraphBuilder) -> str:
    parts = [winograd_convolution(g, images(g, 3, 5, 6, 8), 12) for _ in range(1)]
    return parts[0]


@case
def conv_in_the_winograd_domain_with_residual(g: IntegerGraphBuilder) -> str:
    x = images(g, 2, 5, 5, 12)
    return winograd_convolution(g, x, 12, form=FORMS[3], residual=x)


@case
def chain_of_layers(g: IntegerGraphBuilder) -> str:
    y = g.conv(images(g, 2, 8, 8, 3), 16, 3, padding=1)
    y = g.maximum(g.conv(y, 16, 3, padding=1, residual=y), 2, stride=2)
    return g.conv(y, 20, 3, padding=1)


@case
def greatest_padded(g: IntegerGraphBuilder) -> str:
    return g.maximum(g.lookup(images(g, 3, 7, 7, 20)), 3, stride=2, padding=1)


@case
def greatest_of_tiles(g: IntegerGraphBuilder) -> str:
    return g.maximum(images(g, 3, 6, 6, 20), 2, stride=2)


@case
def greatest_of_floats(g: IntegerGraphBuilder) -> str:
    return g.add(ir.MaxPool(pool((3, 3), (2, 2), 1)), reals(g, images(g, 3, 7, 6, 9)))


@case
def mean_of_tiles(g: IntegerGraphBuilder) -> str:
    return g.average(images(g, 3, 6, 6, 20), (2, 2), stride=2)


@case
def mean_of_whole_images(g: IntegerGraphBuilder) -> str:
    return g.average(images(g, 3, 5, 6, 20), (5, 6))


@case
def mean_of_overlapping_windows(g: IntegerGraphBuilder) -> str:
    return g.average(images(g, 3, 5, 6, 20), (3, 3), padding=1)


@case
def mean_of_floats(g: IntegerGraphBuilder) -> str:
    return g.add(ir.AveragePool(pool((3, 3), (1, 2), 1), count_padding=True), reals(g, images(g, 2, 6, 6, 9)))


@case
def mean_of_whole_images_of_floats(g: IntegerGraphBuilder) -> str:
    return g.add(ir.AveragePool(pool((5, 6))), reals(g, images(g, 3, 5, 6, 9)))


@case
def sum_of_two(g: IntegerGraphBuilder) -> str:
    x = images(g, 3, 4, 5, 18)
    return g.qadd(x, g.lookup(x))


@case
def affine(g: IntegerGraphBuilder) -> str:
    return g.affine(images(g, 3, 4, 5, 18))


@case
def l2_normalized(g: IntegerGraphBuilder) -> str:
    return g.l2_normalize(images(g, 3, 4, 5, 18))


@case
def looked_up(g: IntegerGraphBuilder) -> str:
    return g.lookup(images(g, 3, 4, 5, 18))


@case
def requantized(g: IntegerGraphBuilder) -> str:
    scale, zero = g.constant(np.array(0.11, np.float32)), g.constant(np.array(30, np.uint8))
    return g.add(ir.Quantize(), reals(g, images(g, 3, 4, 5, 6)), scale, zero)


@case
def joined_along_channels(g: IntegerGraphBuilder) -> str:
    x = images(g, 3, 4, 5, 16)
    return g.conv(g.concat(3, g.conv(x, 7), g.conv(x, 12, 3, padding=1)), 9, 3, padding=1)


@case
def joined_along_the_leading_axis(g: IntegerGraphBuilder) -> str:
    x = images(g, 2, 4, 5, 16)
    return g.conv(g.concat(0, g.conv(x, 8), g.conv(x, 8)), 9, 3, padding=1)


@case
def joined_along_rows(g: IntegerGraphBuilder) -> str:
    x = images(g, 2, 4, 5, 16)
    return g.concat(1, g.conv(x, 8), g.lookup(g.conv(x, 8)))


@case
def sliced_along_the_leading_axis(g: IntegerGraphBuilder) -> str:
    y = g.conv(images(g, 5, 4, 5, 16), 8)
    return g.conv(g.add(ir.Slice((1, 0, 1, 0), (5, 4, 4, 8), (2, 1, 1, 1)), y), 6, 3, padding=1)


@case
def transposed_onto_rows(g: IntegerGraphBuilder) -> str:
    y = g.conv(images(g, 3, 4, 5, 16), 8)
    return g.conv(g.add(ir.Transpose((1, 0, 2, 3)), y), 6, 3, padding=1)


@case
def padded_in_every_direction(g: IntegerGraphBuilder) -> str:
    y = g.conv(images(g, 2, 3, 5, 16), 8)
    return g.add(ir.Pad((1, 1, 0, 2), (0, 2, 1, 0), 77.0), y)


@case
def softmax_along_the_leading_axis(g: IntegerGraphBuilder) -> str:
    return g.add(ir.Softmax(0), reals(g, images(g, 3, 4, 5, 6)))


@case
def windows_of_a_map(g: IntegerGraphBuilder) -> str:
    """As window attention cuts them: 8x6 pixels into 2x3 windows of 4x2."""
    y = g.conv(g.input(8, 6, 8), 12)
    cut = g.add(ir.Reshape((2, 4, 3, 2, 12)), y)
    cut = g.add(ir.Reshape((6, 4, 2, 12)), g.add(ir.Transpose((0, 2, 1, 3, 4)), cut))
    cut = g.add(ir.Reshape((2, 3, 4, 2, 12)), g.conv(cut, 12, 3, padding=1))
    return g.add(ir.Reshape((1, 8, 6, 12)), g.add(ir.Transpose((0, 2, 1, 3, 4)), cut))


@case
def rows_of_a_float_dense_layer(g: IntegerGraphBuilder) -> str:
    x = reals(g, g.add(ir.Reshape((12, 9)), g.input(12, 1, 9)))
    weights = g.constant(g.rng.integers(-8, 8, (70, 9)).astype(np.float32))
    return g.add(ir.Dense(), x, weights, g.constant(np.arange(70, dtype=np.float32)))


@case
def pad_before_a_padded_convolution(g: IntegerGraphBuilder) -> str:
    y = g.add(ir.Pad((0, 1, 2, 0), (0, 0, 1, 0), 9.0), g.conv(g.input(5, 6, 8), 8))
    return g.conv(y, 10, 3, padding=1, input_zero_point=140)


@case
def rows_joined_before_a_padded_convolution(g: IntegerGraphBuilder) -> str:
    x = g.input(3, 6, 8)
    return g.conv(g.concat(1, g.conv(x, 8), g.conv(x, 8)), 10, 3, padding=1, input_zero_point=140)


@case
def columns_joined_before_a_padded_convolution(g: IntegerGraphBuilder) -> str:
    x = g.input(3, 6, 8)
    return g.conv(g.concat(2, g.conv(x, 8), g.conv(x, 8)), 10, 3, padding=1, input_zero_point=140)
