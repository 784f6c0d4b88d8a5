"""Convolutions at the shapes and numbers where implementations differ."""

from __future__ import annotations

import numpy as np

from accelserve.kernels import ir
from accelserve.kernels.ir import Array
from tests.kernels.devices.case_registry import case
from tests.kernels.devices.integer_graphs import IntegerGraphBuilder

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
        fused = np.float32(np.float64(accumulator) * np.float64(scale) + np.float64(term))
        if rounded == np.float32(target + 0.5) and np.rint(fused) != np.rint(rounded):
            found.append((int(accumulator), scale, int(residual)))
    accumulators, scales, residuals = (np.array(column) for column in zip(*found, strict=True))
    return accumulators, scales, residuals.astype(np.uint8), float(multiplier)
