"""Every integer operator at the shapes and numbers where implementations differ, one small graph a case.

A case is a function that builds its graph and returns the values to compare. All cases are joined into one graph, so
that a device is loaded once and each case still passes or fails by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from accelserve.kernels import ir
from accelserve.kernels.ir import Array, Graph, Node, TensorType
from tests.kernels.devices.integer_graphs import IntegerGraphBuilder

Case = Callable[[IntegerGraphBuilder], list[str]]
CASES: dict[str, Case] = {}


def case(function: Case) -> Case:
    CASES[function.__name__.replace("_", "-")] = function
    return function


# --- convolutions: shapes ---------------------------------------------------------------------------------------


@case
def conv_1x1(g: IntegerGraphBuilder) -> list[str]:
    return [g.conv(g.input(5, 6, 16), 32)]


@case
def conv_one_pixel_one_channel(g: IntegerGraphBuilder) -> list[str]:
    return [g.conv(g.input(1, 1, 1), 1)]


@case
def conv_fully_connected(g: IntegerGraphBuilder) -> list[str]:
    return [g.conv(g.input(1, 1, 200), 70)]


@case
def conv_channels_no_multiple_of_four(g: IntegerGraphBuilder) -> list[str]:
    return [g.conv(g.input(4, 5, 13), 19, 3, padding=1)]


@case
def conv_odd_width(g: IntegerGraphBuilder) -> list[str]:
    return [g.conv(g.input(6, 17, 8), 33, 3, padding=1)]


@case
def conv_stem_7x7(g: IntegerGraphBuilder) -> list[str]:
    return [g.conv(g.input(23, 21, 3), 20, 7, stride=2, padding=3)]


@case
def conv_stem_without_padding(g: IntegerGraphBuilder) -> list[str]:
    return [g.conv(g.input(9, 9, 3), 8, 3, input_zero_point=0)]


@case
def conv_two_readers_of_one_image(g: IntegerGraphBuilder) -> list[str]:
    x = g.input(9, 8, 3)
    return [g.conv(x, 8, 3, padding=1), g.conv(x, 5, 5, padding=(2, 2, 2, 2))]


@case
def conv_padding_differs_on_every_side(g: IntegerGraphBuilder) -> list[str]:
    return [g.conv(g.input(8, 7, 20), 12, 3, stride=2, padding=(0, 1, 2, 3), input_zero_point=200)]


@case
def conv_padding_wider_than_the_image(g: IntegerGraphBuilder) -> list[str]:
    return [g.conv(g.input(2, 2, 24), 16, 3, padding=4, input_zero_point=255)]


@case
def conv_window_as_large_as_the_image(g: IntegerGraphBuilder) -> list[str]:
    return [g.conv(g.input(7, 7, 32), 40, 7)]


@case
def conv_window_taller_than_wide(g: IntegerGraphBuilder) -> list[str]:
    return [g.conv(g.input(9, 6, 18), 10, (5, 1), padding=(2, 0, 2, 0), stride=(1, 2))]


@case
def conv_dilated(g: IntegerGraphBuilder) -> list[str]:
    return [g.conv(g.input(13, 13, 20), 24, 3, padding=6, dilation=6)]


@case
def conv_stride_past_the_window(g: IntegerGraphBuilder) -> list[str]:
    return [g.conv(g.input(11, 10, 16), 16, 1, stride=3)]


@case
def conv_many_taps(g: IntegerGraphBuilder) -> list[str]:
    return [g.conv(g.input(5, 5, 400), 18, 3, padding=1)]


@case
def conv_grouped(g: IntegerGraphBuilder) -> list[str]:
    return [g.conv(g.input(6, 6, 24), 48, 3, padding=1, groups=6)]


@case
def conv_groups_across_vectors(g: IntegerGraphBuilder) -> list[str]:
    return [g.conv(g.input(4, 4, 60), 36, 3, padding=1, groups=3)]


@case
def conv_depthwise(g: IntegerGraphBuilder) -> list[str]:
    return [g.conv(g.input(7, 6, 70), 70, 3, padding=1, groups=70)]


@case
def conv_depthwise_with_multiplier(g: IntegerGraphBuilder) -> list[str]:
    return [g.conv(g.input(6, 6, 9), 27, 5, padding=2, stride=2, groups=9)]


# --- convolutions: numbers --------------------------------------------------------------------------------------


@case
def conv_saturating(g: IntegerGraphBuilder) -> list[str]:
    return [g.conv(g.input(5, 5, 16), 16, 3, padding=1, gain=50.0)]


@case
def conv_clipped_as_relu6(g: IntegerGraphBuilder) -> list[str]:
    return [g.conv(g.input(5, 5, 16), 16, zero_point=40, low=40, high=190)]


@case
def conv_accumulator_wraps(g: IntegerGraphBuilder) -> list[str]:
    bias = np.array([2**31 - 5, -(2**31) + 5, 2**31 - 1, -(2**31)], np.int32)
    return [g.conv(g.input(6, 6, 8), 4, 3, padding=1, bias=bias, gain=0.001)]


@case
def conv_float_result(g: IntegerGraphBuilder) -> list[str]:
    return [g.conv(g.input(5, 4, 30), 21, 3, padding=1, float_result=True)]


@case
def conv_residual(g: IntegerGraphBuilder) -> list[str]:
    return [g.conv(g.input(6, 5, 32), 40, residual=g.input(6, 5, 40))]


@case
def conv_intermediate(g: IntegerGraphBuilder) -> list[str]:
    return [g.conv(g.input(6, 5, 32), 40, intermediate=True)]


@case
def conv_intermediate_and_residual(g: IntegerGraphBuilder) -> list[str]:
    x = g.input(6, 6, 24)
    return [g.conv(x, 24, 3, padding=1, groups=24, intermediate=True, residual=x)]


@case
def conv_ties_tell_fused_multiply_add(g: IntegerGraphBuilder) -> list[str]:
    """Sums that are a tie only if the product was rounded first."""
    accumulators, scale, residuals, multiplier = ties_of_a_sum(g.rng)
    res = g.input(1, 1, len(residuals), values=residuals)
    nothing = g.input(1, 1, 1, values=np.zeros(1))
    window = ir.Window(kernel=(1, 1))
    epilogue = ir.Epilogue(zero_point=0, residual=ir.Residual(zero_point=0, multiplier=multiplier))
    weights = g.constant(np.zeros((len(residuals), 1, 1, 1), np.int8))
    scales = g.constant(scale.astype(np.float32))
    op = ir.QConv2d(window, 1, 0, epilogue)
    return [g.add(op, nothing, weights, g.constant(accumulators.astype(np.int32)), scales, res)]


def ties_of_a_sum(rng: np.random.Generator) -> tuple[Array, Array, Array, float]:
    """Accumulators [K], float32 scales [K], uint8 residuals [K], and a multiplier, whose rounded products sum to n + 1/2."""
    multiplier = np.float32(0.3717)
    found: list[tuple[int, np.float32, int]] = []
    while len(found) < 64:
        residual, target, accumulator = (
            rng.integers(1, 256),
            rng.integers(20, 230),
            rng.integers(1000, 100000),
        )
        term = np.float32(residual) * multiplier
        scale = np.float32((np.float64(target) + 0.5 - np.float64(term)) / accumulator)
        rounded = np.float32(accumulator) * scale + term
        exact = np.float64(accumulator) * np.float64(scale) + np.float64(term)
        if rounded == np.float32(target + 0.5) and exact != target + 0.5:
            found.append((int(accumulator), scale, int(residual)))
    accumulators, scales, residuals = (np.array(column) for column in zip(*found, strict=True))
    return accumulators, scales, residuals.astype(np.uint8), float(multiplier)


# --- operators without weights ----------------------------------------------------------------------------------


@case
def add_of_two(g: IntegerGraphBuilder) -> list[str]:
    return [g.qadd(g.input(5, 7, 19), g.input(5, 7, 19))]


@case
def add_to_itself(g: IntegerGraphBuilder) -> list[str]:
    x = g.input(3, 3, 16)
    return [g.qadd(x, x)]


@case
def add_of_vectors(g: IntegerGraphBuilder) -> list[str]:
    return [g.qadd(g.input(37), g.input(37))]


@case
def affine_per_channel(g: IntegerGraphBuilder) -> list[str]:
    return [g.affine(g.input(6, 5, 35), low=30)]


@case
def affine_ties_tell_fused_multiply_add(g: IntegerGraphBuilder) -> list[str]:
    mul, add, values = ties_of_an_affine(g.rng)
    x = g.input(1, 1, len(values), values=values)
    return [g.add(ir.QChannelAffine(0, 0), x, g.constant(mul), g.constant(add))]


def ties_of_an_affine(rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """float32 factors and summands and uint8 values, whose rounded product plus summand is n + 1/2, but not exactly."""
    found: list[tuple[np.float32, np.float32, int]] = []
    while len(found) < 64:
        value, mul = rng.integers(1, 256), np.float32(rng.uniform(0.2, 0.9))
        product = np.float32(value) * mul
        add = np.float32(np.floor(product) + 3.5 - product)
        exact = np.float64(value) * np.float64(mul) + np.float64(add)
        if product + add == np.floor(product) + np.float32(3.5) and exact != np.floor(product) + 3.5:
            found.append((mul, add, int(value)))
    mul_column, add_column, values = zip(*found, strict=True)
    return np.array(mul_column, np.float32), np.array(add_column, np.float32), np.array(values, np.uint8)


@case
def lookup(g: IntegerGraphBuilder) -> list[str]:
    return [g.lookup(g.input(16, 16, 1, values=np.arange(256)))]


@case
def average_global(g: IntegerGraphBuilder) -> list[str]:
    return [g.average(g.input(7, 7, 50), (7, 7))]


@case
def average_at_the_border(g: IntegerGraphBuilder) -> list[str]:
    return [g.average(g.input(8, 9, 20), (3, 3), stride=2, padding=1)]


@case
def average_counting_the_padding(g: IntegerGraphBuilder) -> list[str]:
    return [g.average(g.input(6, 6, 17), (2, 3), padding=1, count_padding=True)]


@case
def maximum_at_the_border(g: IntegerGraphBuilder) -> list[str]:
    return [g.maximum(g.input(9, 8, 21), 3, stride=2, padding=1)]


@case
def maximum_dilated(g: IntegerGraphBuilder) -> list[str]:
    return [g.maximum(g.input(9, 9, 16), 3, dilation=2, padding=2)]


# --- rearrangements ---------------------------------------------------------------------------------------------


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


def joined_cases() -> tuple[Graph, Mapping[str, Array], Mapping[str, list[str]]]:
    """One graph of all cases, its feeds, and the public outputs of each case."""
    inputs: dict[str, TensorType] = {}
    constants: dict[str, Array] = {}
    feeds: dict[str, Array] = {}
    outputs: dict[str, str] = {}
    nodes: list[Node] = []
    names: dict[str, list[str]] = {}
    for seed, (name, build) in enumerate(CASES.items()):
        builder = IntegerGraphBuilder(seed, f"{name}/")
        made = build(builder)
        inputs |= builder.inputs
        feeds |= builder.feeds
        constants |= builder.constants
        nodes += builder.nodes
        names[name] = [f"{name}#{i}" for i in range(len(made))]
        outputs |= dict(zip(names[name], made, strict=True))
    return Graph(inputs, tuple(nodes), constants, outputs), feeds, names
