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

from accelserve.kernels.cpu.microkernels.winograd_forms import BIAS_TAP, FORMS, KERNEL, Arithmetic, Form, Row

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


def both_ways(row: RowFunction, patch: Integers) -> Integers:
    """A row function applied to the columns of [n, n, ...], then to its rows."""
    down = np.stack(row(A, list(patch)))
    whole: Integers = np.stack(row(A, list(np.moveaxis(down, 1, 0))), axis=1)
    return whole


def by_form(form: Form, patch: Integers, window: Integers) -> Integers:
    """Patch [n, n, C] and window [3, 3, C]: ``scale`` times the sums [m, m], in int64."""
    products = both_ways(form.input_row, patch) * both_ways(form.weight_row, window)
    result: Integers = both_ways(form.output_row, products.sum(axis=2))
    return result


def by_definition(form: Form, patch: Integers, window: Integers) -> Integers:
    m = form.outputs
    return np.array([[(patch[i : i + 3, j : j + 3] * window).sum() for j in range(m)] for i in range(m)])


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_the_identity_holds_on_all_unit_vectors(form: Form) -> None:
    n = form.side
    for patch in np.eye(n * n, dtype=np.int64).reshape(-1, n, n, 1):
        for window in np.eye(KERNEL**2, dtype=np.int64).reshape(-1, KERNEL, KERNEL, 1):
            assert (by_form(form, patch, window) == form.scale * by_definition(form, patch, window)).all()


def extremes(row: RowFunction, size: int, low: int, high: int) -> tuple[int, int]:
    """Least and greatest element that a transform makes of [size, size] integers within bounds."""
    units = np.eye(size * size, dtype=np.int64).reshape(size, size, -1)
    matrix = both_ways(row, units)
    up, down = np.maximum(matrix, 0).sum(-1), np.minimum(matrix, 0).sum(-1)
    return int((up * low + down * high).min()), int((up * high + down * low).max())


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_transforms_fit_int16_and_pairs_of_products_fit_int32(form: Form) -> None:
    inputs = extremes(form.input_row, form.side, 0, 255)
    weights = extremes(form.weight_row, KERNEL, -128, 127)
    for low, high in (inputs, weights):
        assert -(2**15) <= low <= high < 2**15
    greatest = max(map(abs, inputs)) * max(map(abs, weights))
    assert 2 * greatest < 2**31  # what vpmaddwd adds up; all further additions may wrap


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_the_scale_is_undone_modulo_2_to_32(form: Form) -> None:
    assert form.scale * form.inverse % 2**32 == 2**form.shift
    assert form.bound * 2**form.shift == 2**31


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_the_tap_of_the_bias_goes_once_into_every_output(form: Form) -> None:
    taps = np.zeros((form.side, form.side, 1), np.int64)
    taps[BIAS_TAP, BIAS_TAP] = 1
    assert (both_ways(form.output_row, taps) == 1).all()


@pytest.mark.parametrize("form", FORMS, ids=str)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_sums_within_the_bound_come_out_of_wrapped_arithmetic(form: Form, data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    channels = data.draw(st.integers(1, 110))
    pick = data.draw(st.sampled_from(["any", "extreme", "greatest", "least"]))
    shape, kernel = (form.side, form.side, channels), (KERNEL, KERNEL, channels)
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
    products = both_ways(form.input_row, patch.astype(np.int16)).astype(np.int32) * both_ways(
        form.weight_row, window.astype(np.int16)
    )
    wrapped = products.sum(axis=2, dtype=np.int32)
    total = both_ways(form.output_row, wrapped) * np.array(form.inverse, np.uint32).astype(np.int32)
    assert ((total >> form.shift) == by_definition(form, patch, window)).all()
