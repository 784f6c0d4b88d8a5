"""Operators without weights: sums, scales, lookups and pools."""

from __future__ import annotations

import numpy as np

from accelserve.kernels import ir
from accelserve.kernels.ir import Array
from tests.kernels.devices.case_registry import case
from tests.kernels.devices.integer_graphs import IntegerGraphBuilder


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
    """float32 factors and summands and uint8 values: the rounded product plus the summand is n + 1/2, the exact one not.

    Results are much smaller than products, so that float32 can tell the two.
    """
    found: list[tuple[np.float32, np.float32, int]] = []
    while len(found) < 64:
        value, mul = rng.integers(100, 256), np.float32(rng.uniform(0.5, 0.9))
        tie = np.float32(rng.integers(1, 8) + 0.5)
        product = np.float32(value) * mul
        add = tie - product
        fused = np.float32(np.float64(value) * np.float64(mul) + np.float64(add))
        if product + add == tie and np.rint(fused) != np.rint(tie):
            found.append((mul, add, int(value)))
    mul_column, add_column, values = zip(*found, strict=True)
    return np.array(mul_column, np.float32), np.array(add_column, np.float32), np.array(values, np.uint8)


@case
def l2_normalize(g: IntegerGraphBuilder) -> list[str]:
    return [g.l2_normalize(g.input(6, 5, 35), low=30), g.l2_normalize(g.input(3, 4, 512))]


@case
def l2_normalize_of_nothing_and_of_the_greatest(g: IntegerGraphBuilder) -> list[str]:
    values = np.repeat(np.array([90, 0, 255], np.uint8), 40)
    return [g.l2_normalize(g.input(1, 3, 40, values=values))]


@case
def l2_normalize_of_a_vector(g: IntegerGraphBuilder) -> list[str]:
    return [g.l2_normalize(g.input(37))]


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
