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
from accelserve.kernels.cpu.compiler.convolution.pairing import matched
from accelserve.kernels.cpu.compiler.convolution.split_weights import excess_of
from accelserve.kernels.cpu.microkernels.permute import shuffle_table
from accelserve.kernels.devices.cpu import CpuDevice
from accelserve.kernels.program import LoadOptions, Lowered
from accelserve.kernels.reference.evaluator import evaluate
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
    ("channels", "outputs", "kernel"), [(64, 48, 1), (128, 40, 1), (30, 24, 1), (13, 16, 3), (130, 8, 3)]
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


def bell_shaped(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.int8]:
    return np.clip(np.rint(rng.normal(0, 36, shape)), -127, 127).astype(np.int8)


def repaired_share(weights: NDArray[np.int8]) -> float:
    """Of steps of 8 output channels by four input channels."""
    outputs, inputs = weights.shape
    excess = excess_of(weights.reshape(outputs // 8, 8, inputs // 4, 2, 2))
    return float(excess.any(axis=(1, 3)).mean())


def test_matched_channels_change_places_within_blocks_and_spare_repairs() -> None:
    weights = bell_shaped(np.random.default_rng(1), (64, 256))
    order = matched(weights, lanes=8, block=64)
    assert (np.sort(order.reshape(4, 64), axis=1) == np.arange(256).reshape(4, 64)).all()
    assert repaired_share(weights[:, order]) < repaired_share(weights) / 3


def test_a_shuffle_table_says_where_each_byte_comes_from() -> None:
    order = np.concatenate([64 * block + np.random.default_rng(block).permutation(64) for block in range(3)])
    source = np.arange(192) % 251
    table = shuffle_table(order)  # [block, half, quarter, 32]
    for place, channel in enumerate(order):
        entries = table[place // 64, place // 32 % 2, :, place % 32]
        (quarter,) = np.flatnonzero(entries < 128)
        assert source[place // 64 * 64 + 16 * quarter + entries[quarter]] == source[channel]


@needs_avx2
@pytest.mark.parametrize("size", [(9, 7), (30, 31), (1, 1)])
@pytest.mark.parametrize("stride", [1, 2])
def test_permuted_inputs_are_exact(size: tuple[int, int], stride: int, code_cache: Path) -> None:
    g = IntegerGraphBuilder(11)
    x = g.input(*size, 192)
    y = g.conv(x, 56, 1, stride=stride, float_result=True)
    name = g.nodes[-1].inputs[1]
    g.constants[name] = bell_shaped(g.rng, g.constants[name].shape)
    graph = g.graph(y=y)
    program = CpuDevice("avx2").load(Lowered(graph, {}), LoadOptions(threads=2, cache=code_cache))
    try:
        assert_same(program.run(g.feeds)["y"], evaluate(graph, g.feeds)["y"], "the reference")
        steps = program.profile(g.feeds, 1)
    finally:
        program.close()
    if size == (9, 7):  # few pixels, so that all items share one copy
        assert [each.name.split()[-1] for each in steps if each.operator == "copy"].count("permuted") == 1
