"""Weights that make up for each other's rounding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from accelserve.kernels.ir import Conv2d, Dense, DType, Graph, TensorType
from accelserve.kernels.reference.evaluator import evaluate
from accelserve.models.errors import CalibrationError
from accelserve.models.quantize.comparison import Comparison
from accelserve.models.quantize.compensated_rounding import compensated_codes, damped
from accelserve.models.quantize.input_moments import MOST_WEIGHTS, InputMoments, has_moments
from accelserve.models.quantize.quantizer import QuantizeOptions, quantize
from tests.models.quantize.float_graphs import Chain, floats

Reals = NDArray[np.float64]


def smooth_inputs(count: int, size: int, seed: int = 1) -> Reals:
    """Rows whose neighbouring elements are much alike, as pixels are."""
    steps = np.random.default_rng(seed).standard_normal((count, size))
    return np.asarray(np.cumsum(steps, axis=1) / np.sqrt(size) + steps[:, :1], np.float64)


def nearest(weights: Reals, scale: Reals) -> Reals:
    return np.asarray(np.clip(np.rint(weights / scale[:, :, None]), -127, 127), np.float64)


def per_channel_scale(weights: Reals) -> Reals:
    return np.asarray(np.abs(weights).max(axis=2) / 127, np.float64)


def squared_error(codes: Reals, weights: Reals, scale: Reals, inputs: Reals) -> float:
    return float(np.square((codes * scale[:, :, None] - weights)[0] @ inputs.T).sum())


@pytest.mark.parametrize("size", [9, 64, 200], ids=["a-window", "one-block", "blocks"])
def test_compensated_rounding_leaves_less_output_error_than_nearest(size: int) -> None:
    weights = floats(1, 16, size).astype(np.float64)
    scale = per_channel_scale(weights)
    seen, others = smooth_inputs(4 * size, size), smooth_inputs(500, size, seed=2)
    hessian = damped(np.cov(seen.T)[None], 0.0)
    codes = compensated_codes(weights, scale, hessian).astype(np.float64)
    plain = nearest(weights, scale)
    # On inputs that the Hessian was not made of.
    assert squared_error(codes, weights, scale, others) < 0.3 * squared_error(plain, weights, scale, others)


sizes = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 70))


@settings(deadline=None, max_examples=50)
@given(sizes, st.integers(0, 2**32 - 1))
def test_equals_nearest_rounding_when_inputs_are_uncorrelated(shape: tuple[int, int, int], seed: int) -> None:
    random = np.random.default_rng(seed)
    weights = random.standard_normal(shape)
    scale = per_channel_scale(weights)
    hessian = np.eye(shape[2]) * random.uniform(0.01, 10, (shape[0], 1, shape[2]))
    np.testing.assert_array_equal(compensated_codes(weights, scale, hessian), nearest(weights, scale))


@settings(deadline=None, max_examples=50)
@given(sizes, st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3))
def test_codes_stay_in_range_and_are_the_same_again(
    shape: tuple[int, int, int], seed: int, spread: float
) -> None:
    """Whatever the inputs' correlations, and scales under which weights would be beyond the codes."""
    random = np.random.default_rng(seed)
    groups, channels, size = shape
    weights = random.standard_normal(shape) * spread
    factors = random.standard_normal((groups, size, random.integers(1, 5)))
    hessian = damped(factors @ factors.transpose(0, 2, 1), 0.0)
    scale = random.uniform(1e-3, 1, (groups, channels))
    codes = compensated_codes(weights, scale, hessian)
    assert codes.dtype == np.int8
    assert codes.shape == shape
    assert int(codes.min()) >= -127
    np.testing.assert_array_equal(compensated_codes(weights, scale, hessian), codes)


def test_groups_do_not_mix() -> None:
    weights = floats(3, 2, 9).astype(np.float64)
    scale = per_channel_scale(weights)
    hessian = damped(np.stack([np.cov(smooth_inputs(50, 9, seed).T) for seed in range(3)]), 0.0)
    together = compensated_codes(weights, scale, hessian)
    for group in range(3):
        one = slice(group, group + 1)
        np.testing.assert_array_equal(
            compensated_codes(weights[one], scale[one], hessian[one]), together[one]
        )


def test_channels_that_calibration_saw_nothing_of_are_rounded_to_nearest() -> None:
    weights = floats(1, 4, 6).astype(np.float64)
    scale = per_channel_scale(weights)
    codes = compensated_codes(weights, scale, damped(np.zeros((1, 6, 6)), 0.0))
    np.testing.assert_array_equal(codes, nearest(weights, scale))


class TestMoments:
    def test_of_a_dense_layer(self) -> None:
        x = floats(50, 7)
        moments = InputMoments(Dense(), TensorType((3, 7), DType.F32))
        for row in x:
            moments.add(row[None])
        np.testing.assert_allclose(moments.covariance()[0], np.cov(x.T, bias=True), atol=1e-5)
        np.testing.assert_allclose(moments.second_moment()[0], x.T @ x / 50, atol=1e-5)

    @pytest.mark.parametrize("groups", [1, 2, 6])
    def test_predict_a_convolution_s_mean_square(self, groups: int) -> None:
        """Every window is seen where there are few, padding included, in the order of the weights."""
        chain = Chain(1, 5, 6, 6)
        chain.conv(6, 3, padding=1, stride=2, groups=groups)
        graph = chain.graph()
        (node,) = graph.nodes
        assert isinstance(node.op, Conv2d)
        weights = graph.constants[node.inputs[1]]
        image = floats(1, 5, 6, 6, seed=3)
        moments = InputMoments(node.op, graph.type_of(node.inputs[1]))
        moments.add(image)
        rows = weights.reshape(groups, 6 // groups, -1).astype(np.float64)
        found = np.einsum("gki,gij,gkj->gk", rows, moments.second_moment(), rows).ravel()
        sums = evaluate(graph, {"x": image})[node.output] - graph.constants[node.inputs[2]]
        np.testing.assert_allclose(found, np.square(sums.reshape(-1, 6)).mean(axis=0), rtol=1e-4)

    def test_are_known_once_there_are_as_many_places_as_weights(self) -> None:
        moments = InputMoments(Dense(), TensorType((3, 2), DType.F32))
        moments.add(floats(1, 2))
        assert moments.is_singular
        moments.add(floats(1, 2, seed=1))
        assert not moments.is_singular

    def test_are_not_kept_of_layers_too_large_for_them(self) -> None:
        assert has_moments(TensorType((256, 3, 3, 256), DType.F32))
        assert not has_moments(TensorType((10, MOST_WEIGHTS + 1), DType.F32))


def smooth_images(count: int, seed: int) -> NDArray[np.float32]:
    noise = np.random.default_rng(seed).standard_normal((count, 18, 18, 3))
    blurred = sum(noise[:, i : i + 12, j : j + 12] for i in range(6) for j in range(6))
    return np.asarray(blurred, np.float32) / np.float32(6)


def network() -> Graph:
    chain = Chain(1, 12, 12, 3)
    chain.conv(8, 3, padding=1)
    chain.relu()
    chain.conv(8, 3, padding=1, groups=8)
    chain.relu()
    chain.conv(4)
    return chain.graph()


def with_rounded_weights(rounding: str) -> Graph:
    """The float network with what the integer weights and biases stand for."""
    made = quantize(network(), [smooth_images(12, seed=8)], QuantizeOptions(rounding=rounding))
    constants = dict(made.simplified.constants)
    for node in made.graph:
        if node.op.label == "Dequantize" and node.inputs[0] in made.graph.constants:
            codes, scale = (made.graph.constants[name] for name in node.inputs[:2])
            shape = (-1, *(1,) * (codes.ndim - 1))
            constants[node.inputs[0]] = np.asarray(codes * scale.reshape(shape), np.float32)
    return replace(made.simplified, constants=constants, _types={})


def test_a_network_is_nearer_to_float32_than_with_nearest_rounding() -> None:
    """On pictures that calibration has not seen; activations stay float32 here, whose noise is the same for both."""
    noise = {}
    for rounding in ("compensated", "nearest"):
        graph = with_rounded_weights(rounding)
        sums = Comparison()
        for image in smooth_images(4, seed=9)[:, None]:
            (expected,), (found,) = (evaluate(g, {"x": image}).values() for g in (network(), graph))
            sums.add(np.asarray(expected, np.float32), np.asarray(found, np.float32))
        noise[rounding] = sums.noise
    assert noise["compensated"] < 0.8 * noise["nearest"]


def test_an_unknown_rounding_is_named() -> None:
    with pytest.raises(CalibrationError, match="rounding 'up' is none of compensated, nearest"):
        QuantizeOptions(rounding="up")
