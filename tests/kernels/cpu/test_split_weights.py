"""Convolutions by saturating products of bytes: their weights, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from accelserve.kernels.cpu import isa
from accelserve.kernels.cpu.compiler.convolution.pairing import matched
from accelserve.kernels.cpu.compiler.convolution.split_weights import excess_of
from accelserve.kernels.cpu.compiler.lowering import APART_BYTES
from accelserve.kernels.cpu.compiler.planning import plan_network
from accelserve.kernels.cpu.microkernels.permute import shuffle_table
from accelserve.kernels.cpu.plan.verifier import verify
from accelserve.kernels.cpu.records import convolution as f
from accelserve.kernels.cpu.records import tiles as t
from accelserve.kernels.devices.cpu import CpuDevice
from accelserve.kernels.errors import UnsafePlanError
from accelserve.kernels.program import LoadOptions, Lowered
from accelserve.kernels.reference.evaluator import evaluate
from tests.kernels.cpu.test_split import shares
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
        complements = kernel == 1 and channels % 32 == 0
        assert algorithm == ("split2d" if complements else "widened2d"), "else every step would be repaired"


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


def repaired_steps(weights: NDArray[np.int8]) -> float:
    """Share of the steps of 8 output channels by four input channels."""
    outputs, inputs = weights.shape
    excess = excess_of(weights.reshape(outputs // 8, 8, inputs // 4, 2, 2))
    return float(excess.any(axis=(1, 3)).mean())


def test_matched_channels_change_places_within_blocks_and_spare_repairs() -> None:
    weights = bell_shaped(np.random.default_rng(1), (152, 256))
    found = matched(weights, lanes=8, block=16, sharing=64)
    assert found.orders.shape == found.complemented.shape == (3, 256)
    within = np.sort(found.orders.reshape(3, 16, 16), axis=2)
    assert (within == np.arange(256).reshape(16, 16)).all(), "every channel once, in its block"
    arranged = found.weights(weights)
    for first in (0, 64, 128):
        some = slice(first, first + 64)
        assert repaired_steps(arranged[some]) < repaired_steps(weights[some]) / 2


def test_each_group_of_output_channels_has_the_order_that_suits_it() -> None:
    weights = np.zeros((16, 32), np.int8)
    weights[0, [0, 1, 2, 3]] = 127  # no two of them may be a pair
    weights[8, [0, 9, 2, 11]] = 127
    assert repaired_steps(matched(weights, lanes=8, block=16, sharing=8).weights(weights)) == 0


@pytest.mark.parametrize("least", [-127, -128])
def test_a_complement_gives_a_channel_the_other_sign_where_it_has_no_weight_without_one(least: int) -> None:
    """Every two channels of these have large weights of one sign, so that no order spares a repair."""
    weights = np.full((8, 16), 127, np.int8)
    weights[1:, :] = least
    found = matched(weights, lanes=8, block=16, sharing=8)
    share = repaired_steps(found.weights(weights))
    assert found.complemented.sum() == (8 if least == -127 else 0)
    assert share == (0 if least == -127 else 1)


@given(seed=st.integers(0, 2**16), spread=st.sampled_from([20, 40, 200]))
def test_arranged_activations_and_weights_make_the_same_sums(seed: int, spread: int) -> None:
    rng = np.random.default_rng(seed)
    weights = np.clip(np.rint(rng.normal(0, spread, (40, 64))), -128, 127).astype(np.int8)
    activations = rng.integers(0, 256, 64)
    found = matched(weights, lanes=8, block=16, sharing=16)
    arranged, constants = found.weights(weights).astype(np.int64), found.constants(weights)
    for group, (order, complemented) in enumerate(zip(found.orders, found.complemented, strict=True)):
        some = slice(16 * group, 16 * (group + 1))
        copied = np.where(complemented, 255 - activations[order], activations[order])
        sums = arranged[some] @ copied + constants[some]
        assert (sums == weights[some].astype(np.int64) @ activations).all()


def test_a_shuffle_table_says_where_each_byte_comes_from_and_which_are_complemented() -> None:
    rng = np.random.default_rng(3)
    orders = np.concatenate(
        [16 * block + rng.permuted([range(16)] * 2, axis=1) for block in range(6)], axis=1
    )
    complemented = rng.random(orders.shape) < 0.5
    source = np.arange(96) % 251
    tables = shuffle_table(orders, complemented).reshape(2, 3, 2, 32)  # [order, turn, picks and masks, place]
    for order, inverted, table in zip(orders, complemented, tables, strict=True):
        picks, masks = table.transpose(1, 0, 2).reshape(2, 96)
        copied = source[np.arange(96) // 16 * 16 + picks] ^ masks
        assert (copied == np.where(inverted, 255 - source[order], source[order])).all()


POINTS = [
    (size, stride, outputs, 1)
    for size in [(9, 7), (30, 31), (1, 1)]
    for stride in (1, 2)
    for outputs in (56, 64, 200, 264)
]
WINDOWS = [((9, 7), 2, 72, 3), ((30, 31), 2, 72, 3), ((14, 14), 3, 40, 5), ((8, 8), 2, 200, 2)]


@needs_avx2
@pytest.mark.parametrize(("size", "stride", "outputs", "kernel"), POINTS + WINDOWS)
@pytest.mark.parametrize("threads", [1, 2])
def test_permuted_inputs_are_exact(
    size: tuple[int, int], stride: int, outputs: int, kernel: int, threads: int, code_cache: Path
) -> None:
    """Of every group of output channels, whole or not, whether items share pixels or output channels."""
    g = IntegerGraphBuilder(11)
    x = g.input(*size, 192)
    y = g.conv(x, outputs, kernel, padding=kernel // 2, stride=stride, input_zero_point=7, float_result=True)
    name = g.nodes[-1].inputs[1]
    g.constants[name] = bell_shaped(g.rng, g.constants[name].shape)
    graph = Lowered(g.graph(y=y), {})
    plan, _ = plan_network(graph, isa.choose("avx2"), threads, code_cache)
    assert "convolve_permuted" in {each.function.name for each in plan.recipe.steps}
    program = CpuDevice("avx2").load(graph, LoadOptions(threads=threads, cache=code_cache))
    try:
        assert_same(program.run(g.feeds)["y"], evaluate(graph.graph, g.feeds)["y"], "the reference")
    finally:
        program.close()


@needs_avx2
def test_workers_copy_far_from_each_other_and_begin_with_even_shares(code_cache: Path) -> None:
    """Of 628 tiles an item takes 76 at most, and a ninth item of what is left would be one worker's alone."""
    g = IntegerGraphBuilder(11)
    y = g.conv(g.input(56, 56, 256), 64, float_result=True)
    name = g.nodes[-1].inputs[1]
    g.constants[name] = bell_shaped(g.rng, g.constants[name].shape)
    plan, _ = plan_network(Lowered(g.graph(y=y), {}), isa.choose("avx2"), 2, code_cache)
    (step,) = (each for each in plan.recipe.steps if each.function.name == "convolve_permuted")
    fields = step.fields
    copy, pitch, chunk = fields[t.COPIED_SEGMENT], fields[t.WIDENED_BYTES], fields[f.TILE_CHUNK]
    assert isinstance(copy, int)
    assert isinstance(pitch, int)
    assert isinstance(chunk, int)
    assert pitch - copy >= APART_BYTES
    assert shares(628, chunk, workers=2) == [315, 313]


@needs_avx2
@pytest.mark.parametrize("copied_tiles", [0, 2**20])
def test_a_copy_of_no_tile_or_of_more_than_there_is_room_for_is_refused(
    copied_tiles: int, code_cache: Path
) -> None:
    """A worker would copy for ever, or over another's copy."""
    g = IntegerGraphBuilder(11)
    y = g.conv(g.input(9, 7, 192), 64, float_result=True)
    name = g.nodes[-1].inputs[1]
    g.constants[name] = bell_shaped(g.rng, g.constants[name].shape)
    plan, constants = plan_network(Lowered(g.graph(y=y), {}), isa.choose("avx2"), 1, code_cache)
    (step,) = (each for each in plan.recipe.steps if each.function.name == "convolve_permuted")
    verify(plan, constants.bytes)
    damaged = replace(step, fields={**step.fields, t.COPIED_TILES: copied_tiles})
    steps = [damaged if each is step else each for each in plan.recipe.steps]
    with pytest.raises(UnsafePlanError, match="the plan of this network is refused"):
        verify(replace(plan, recipe=replace(plan.recipe, steps=steps)), constants.bytes)


@needs_avx2
@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    blocks=st.integers(2, 6),
    outputs=st.integers(5, 30),
    rows=st.integers(1, 9),
    zero_point=st.sampled_from([0, 3, 255]),
    activations=st.sampled_from(["any", "greatest", "extreme"]),
)
def test_permuted_inputs_are_exact_at_the_extremes(
    seed: int, blocks: int, outputs: int, rows: int, zero_point: int, activations: str, code_cache: Path
) -> None:
    """Pairs of the greatest weights on the greatest activations, with a residual; halos come after."""
    g = IntegerGraphBuilder(seed)
    shape = (rows, 5, 32 * blocks)
    drawn = {"any": None, "greatest": np.full(shape, 255), "extreme": 255 * g.rng.integers(0, 2, shape)}
    x = g.input(*shape, values=drawn[activations])
    residual = g.conv(x, 8 * outputs, 1)
    y = g.conv(x, 8 * outputs, 1, residual=residual, intermediate=True, input_zero_point=zero_point)
    y = g.conv(y, 8, 3, padding=1)
    for node in g.nodes[:2]:
        weights = g.constants[node.inputs[1]]
        shares = [0.04, 0.04, 0.82, 0.1]
        g.constants[node.inputs[1]] = g.rng.choice(
            np.array([-128, 127, 0, 1], np.int8), weights.shape, p=shares
        )
    algorithm_of(g, y, code_cache)
