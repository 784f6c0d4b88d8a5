"""Convolutions by saturating products of bytes: their weights, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from accelserve.kernels.cpu import isa
from accelserve.kernels.cpu.convolution.split_weights import excess_of
from accelserve.kernels.devices.base import LoadOptions, Lowered
from accelserve.kernels.devices.cpu import CpuDevice
from accelserve.kernels.devices.reference import evaluate
from tests.kernels.devices.comparison import assert_same
from tests.kernels.devices.integer_graphs import IntegerGraphBuilder

needs_avx2 = pytest.mark.skipif(
    "avx2" not in {each.name for each in isa.available()}, reason="this processor has no AVX2"
)
Weights = Callable[[np.random.Generator, tuple[int, ...]], NDArray[np.generic]]
SHAPES: dict[str, Weights] = {
    "long tails": lambda rng, shape: np.clip(rng.laplace(0, 12, shape), -127, 127),
    "a few of all violate": lambda rng, shape: np.where(rng.random(shape) < 0.02, 127, 3),
    "none violates": lambda rng, shape: rng.integers(-64, 65, shape),
    "one output channel of eight": lambda rng, shape: np.where(
        np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1)) % 8 == 5, -128, rng.integers(-9, 9, shape)
    ),
    "bell-shaped": lambda rng, shape: np.clip(rng.normal(0, 36, shape), -127, 127),
    "all as great as can be": lambda _, shape: np.full(shape, 127),
}


def test_no_pair_of_split_weights_leaves_int16() -> None:
    """All 65536 pairs."""
    every = np.arange(-128, 128, dtype=np.int8)
    pairs = np.stack(np.meshgrid(every, every), axis=-1)
    excess = excess_of(pairs)
    kept = pairs.astype(np.int64)
    kept[..., 0] -= excess
    assert kept.min() >= -128
    assert kept.max() <= 127
    for activations in np.array([[0, 0], [0, 255], [255, 0], [255, 255]]):
        for weights in (kept, np.stack([excess, np.zeros_like(excess)], axis=-1)):
            sums = weights.astype(np.int64) @ activations
            assert sums.min() >= -(2**15)
            assert sums.max() < 2**15
    saturating = np.abs(pairs.astype(int).sum(-1)) > 128
    assert ((excess != 0) == saturating).all(), "only what could saturate is repaired"


def algorithm_of(builder: IntegerGraphBuilder, values: str, cache: Path) -> str:
    graph = builder.graph(y=values)
    program = CpuDevice("avx2").load(Lowered(graph, {}), LoadOptions(threads=2, cache=cache))
    try:
        got = program.run(builder.feeds)["y"]
        layers = [each.operator for each in program.profile(builder.feeds, 1) if each.macs]
    finally:
        program.close()
    assert_same(got, evaluate(graph, builder.feeds)["y"], "the reference")
    return layers[-1].split("_")[0]


@needs_avx2
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("channels", "outputs", "kernel"), [(64, 48, 1), (30, 24, 1), (13, 16, 3), (130, 8, 3)]
)
@pytest.mark.parametrize("activation", ["any", "greatest"])
def test_split_weights_are_exact(
    shape: str, channels: int, outputs: int, kernel: int, activation: str, code_cache: Path
) -> None:
    g = IntegerGraphBuilder(7)
    values = np.full((9, 7, channels), 255) if activation == "greatest" else None
    x = g.input(9, 7, channels, values=values)
    y = g.conv(x, outputs, kernel, padding=kernel // 2, input_zero_point=3, float_result=True)
    name = g.nodes[-1].inputs[1]
    g.constants[name] = SHAPES[shape](g.rng, g.constants[name].shape).astype(np.int8)
    algorithm = algorithm_of(g, y, code_cache)
    if shape == "none violates":
        assert algorithm == "split2d"
    if shape == "all as great as can be":
        assert algorithm == "widened2d", "every step would be repaired"


@needs_avx2
@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    outputs=st.integers(1, 6),
    channels=st.integers(1, 90),
    stride=st.integers(1, 2),
)
def test_sparse_extremes_are_exact(
    seed: int, outputs: int, channels: int, stride: int, code_cache: Path
) -> None:
    g = IntegerGraphBuilder(seed)
    values = np.where(g.rng.random((6, 8, channels)) < 0.5, 255, 0)
    x = g.input(6, 8, channels, values=values)
    residual = g.conv(x, 8 * outputs, 1, stride=stride)
    y = g.conv(x, 8 * outputs, 1, stride=stride, residual=residual, intermediate=True)
    for node in g.nodes:
        weights = g.constants[node.inputs[1]]
        drawn = g.rng.choice(np.array([-128, 127, 0, 1], np.int8), weights.shape, p=[0.02, 0.04, 0.74, 0.2])
        g.constants[node.inputs[1]] = drawn
    algorithm_of(g, y, code_cache)
