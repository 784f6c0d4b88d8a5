"""The proof that exact Winograd convolutions compute the same sums, on the very functions that kernels are made from.

The oracle is the definition of a 3x3 convolution. Both sides are bilinear in inputs and weights, so agreement on all
pairs of unit vectors is agreement on all integers, and so modulo 2**32 too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from accelserve.kernels.cpu.microkernels.winograd_forms import (
    BIAS_TAP,
    FORMS,
    KERNEL,
    Arithmetic,
    Form,
    Row,
    Span,
)

Integers = NDArray[Any]
RowFunction = Callable[[Arithmetic, Row], list[Any]]


class NumpyArithmetic:
    """Integers of any numpy type."""

    def add(self, a: Integers, b: Integers) -> Integers:
        return a + b

    def sub(self, a: Integers, b: Integers) -> Integers:
        return a - b

    def shl(self, a: Integers, bits: int) -> Integers:
        shifted: Integers = a << np.asarray(bits, a.dtype)
        return shifted


A = NumpyArithmetic()


Tile = tuple[Form, Span, Span]
"""A form, and the spans of a tile's rows and columns."""
TILES: list[Tile] = [(form, rows, columns) for form in FORMS for rows in form.spans for columns in form.spans]
every_tile = pytest.mark.parametrize(
    "tile", TILES, ids=lambda tile: f"{tile[0]}-{tile[1].outputs}x{tile[2].outputs}"
)


def both_ways(down: RowFunction, across: RowFunction, patch: Integers) -> Integers:
    """A row function applied to the columns of [n, n, ...], then one to its rows."""
    half = np.stack(down(A, list(patch)))
    whole: Integers = np.stack(across(A, list(np.moveaxis(half, 1, 0))), axis=1)
    return whole


def shape_of(tile: Tile) -> tuple[int, int]:
    """Of its patch."""
    _, rows, columns = tile
    return rows.outputs + KERNEL - 1, columns.outputs + KERNEL - 1


def products_of(tile: Tile, patch: Integers, window: Integers) -> Integers:
    """Of the taps that a tile has."""
    form, rows, columns = tile
    weights = both_ways(form.weight_row, form.weight_row, window)[np.ix_(rows.taps, columns.taps)]
    inputs = both_ways(rows.input_row, columns.input_row, patch)
    products: Integers = inputs.astype(window.dtype if window.itemsize > 2 else np.int32) * weights
    return products


def by_form(tile: Tile, patch: Integers, window: Integers) -> Integers:
    """Patch [n, n, C] and window [3, 3, C]: ``scale`` times the sums [m, m], in int64."""
    _, rows, columns = tile
    return both_ways(rows.output_row, columns.output_row, products_of(tile, patch, window).sum(axis=2))


def by_definition(tile: Tile, patch: Integers, window: Integers) -> Integers:
    _, rows, columns = tile
    return np.array(
        [
            [(patch[i : i + 3, j : j + 3] * window).sum() for j in range(columns.outputs)]
            for i in range(rows.outputs)
        ]
    )


@every_tile
def test_the_identity_holds_on_all_unit_vectors(tile: Tile) -> None:
    height, width = shape_of(tile)
    for patch in np.eye(height * width, dtype=np.int64).reshape(-1, height, width, 1):
        for window in np.eye(KERNEL**2, dtype=np.int64).reshape(-1, KERNEL, KERNEL, 1):
            assert (by_form(tile, patch, window) == tile[0].scale * by_definition(tile, patch, window)).all()


def extremes(
    down: RowFunction, across: RowFunction, shape: tuple[int, int], low: int, high: int
) -> tuple[int, int]:
    """Least and greatest element that a transform makes of integers [shape] within bounds."""
    units = np.eye(shape[0] * shape[1], dtype=np.int64).reshape(*shape, -1)
    matrix = both_ways(down, across, units)
    up, under = np.maximum(matrix, 0).sum(-1), np.minimum(matrix, 0).sum(-1)
    return int((up * low + under * high).min()), int((up * high + under * low).max())


@every_tile
def test_transforms_fit_int16_and_pairs_of_products_fit_int32(tile: Tile) -> None:
    form, rows, columns = tile
    inputs = extremes(rows.input_row, columns.input_row, shape_of(tile), 0, 255)
    weights = extremes(form.weight_row, form.weight_row, (KERNEL, KERNEL), -128, 127)
    for low, high in (inputs, weights):
        assert -(2**15) <= low <= high < 2**15
    greatest = max(map(abs, inputs)) * max(map(abs, weights))
    assert 2 * greatest < 2**31  # what vpmaddwd adds up; all further additions may wrap


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_the_scale_is_undone_modulo_2_to_32(form: Form) -> None:
    assert form.scale * form.inverse % 2**32 == 2**form.shift
    assert form.bound * 2**form.shift == 2**31


@every_tile
def test_the_tap_of_the_bias_goes_once_into_every_output(tile: Tile) -> None:
    _, rows, columns = tile
    taps = np.zeros((len(rows.taps), len(columns.taps), 1), np.int64)
    taps[rows.taps.index(BIAS_TAP), columns.taps.index(BIAS_TAP)] = rows.bias * columns.bias % 2**32
    assert (both_ways(rows.output_row, columns.output_row, taps) % 2**32 == 1).all()


@pytest.mark.parametrize("form", FORMS, ids=str)
@given(length=st.integers(1, 300))
def test_spans_cover_a_length_with_as_few_taps_as_can_be(form: Form, length: int) -> None:
    longest, shorter = form.cut(length)
    m = form.outputs
    assert longest + shorter == -(-length // m)
    covered = m * longest + (m - 1) * shorter
    assert length <= covered
    last = (m if shorter == 0 else m - 1) - 1
    assert covered - last <= length, "the last one has results"
    if len(form.spans) > 1 and length > 2 * m:
        assert covered == length


@every_tile
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_sums_within_the_bound_come_out_of_wrapped_arithmetic(tile: Tile, data: st.DataObject) -> None:
    form, rows, columns = tile
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    channels = data.draw(st.integers(1, 110))
    pick = data.draw(st.sampled_from(["any", "extreme", "greatest", "least"]))
    shape, kernel = (*shape_of(tile), channels), (KERNEL, KERNEL, channels)
    patch = {
        "any": rng.integers(0, 256, shape),
        "extreme": rng.choice([0, 255], shape),
        "greatest": np.full(shape, 255),
        "least": np.full(shape, 255),
    }[pick]
    window = {
        "any": rng.integers(-128, 128, kernel),
        "extreme": rng.choice([-128, 127], kernel),
        "greatest": np.full(kernel, 127),
        "least": np.full(kernel, -128),
    }[pick]
    wrapped = products_of(tile, patch.astype(np.int16), window.astype(np.int16)).sum(axis=2, dtype=np.int32)
    total = both_ways(rows.output_row, columns.output_row, wrapped)
    total *= np.array(form.inverse, np.uint32).astype(np.int32)
    assert ((total >> form.shift) == by_definition(tile, patch, window)).all()
