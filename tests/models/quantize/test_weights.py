"""Weights and biases as integers."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from accelserve.models.quantize.calibration import params_of
from accelserve.models.quantize.weights import quantize_weights
from tests.models.quantize.float_graphs import floats

reals = st.floats(-(2.0**20), 2.0**20, width=32)


@settings(deadline=None)
@given(
    hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=4, max_side=4), elements=reals),
    st.floats(2.0**-20, 2.0**10, width=32),
    st.data(),
)
def test_every_weight_is_within_half_a_step(
    weights: np.ndarray, input_scale: float, data: st.DataObject
) -> None:
    bias = data.draw(hnp.arrays(np.float32, weights.shape[:1], elements=reals))
    made = quantize_weights(weights, bias, input_scale)
    scale = made.scale.reshape(-1, *(1,) * (weights.ndim - 1)).astype(np.float64)
    assert made.weights.dtype == np.int8
    assert made.bias.dtype == np.int32
    assert int(made.weights.min()) >= -127
    assert np.all(np.abs(made.weights * scale - weights) <= scale / 2 * (1 + 1e-5))
    half, rounded = made.bias_scale * (0.5 + 1e-5), np.abs(bias) * 2.0**-23  # the scale is a float32
    assert np.all(np.abs(made.bias * made.bias_scale.astype(np.float64) - bias) <= half + rounded)


def test_each_channel_uses_all_codes() -> None:
    weights = floats(3, 3, 3, 8) * np.array([0.01, 1, 100], np.float32).reshape(3, 1, 1, 1)
    made = quantize_weights(weights, None, 0.1)
    assert np.abs(made.weights).reshape(3, -1).max(axis=1).tolist() == [127, 127, 127]


def test_the_bias_scale_is_the_product_in_float32() -> None:
    made = quantize_weights(floats(4, 8), floats(4), 0.0123)
    np.testing.assert_array_equal(made.bias_scale, np.float32(0.0123) * made.scale)


def test_a_channel_of_zeros_has_scale_one() -> None:
    made = quantize_weights(np.zeros((2, 3), np.float32), None, 0.5)
    assert made.scale.tolist() == [1.0, 1.0]
    assert not made.weights.any()


def test_a_bias_beyond_its_integer_coarsens_the_weights() -> None:
    made = quantize_weights(np.full((1, 2), 1e-12, np.float32), np.array([1000.0], np.float32), 1e-3)
    assert abs(int(made.bias[0])) <= 2**30
    assert abs(made.bias[0] * float(made.bias_scale[0]) - 1000) < 1e-3


@settings(deadline=None)
@given(reals, reals)
def test_activation_codes_cover_the_range_and_hold_zero(a: float, b: float) -> None:
    low, high = min(a, b, 0.0), max(a, b, 0.0)
    params = params_of((low, high))
    least, greatest = (0 - params.zero_point) * params.scale, (255 - params.zero_point) * params.scale
    if high - low > 1e-30:
        assert least <= low + params.scale / 2 * (1 + 1e-5)
        assert greatest >= high - params.scale / 2 * (1 + 1e-5)
    if low == 0.0:
        assert params.zero_point == 0
