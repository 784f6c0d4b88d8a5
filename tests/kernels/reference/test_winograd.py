"""The oracle of the Winograd domain, held to its docstring by loops over Python's own integers."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from accelserve.kernels import ir
from accelserve.kernels.errors import GraphError, ShapeMismatchError
from accelserve.kernels.ir import Array, QWinogradConv2d, WinogradTaps
from accelserve.kernels.reference.evaluator import evaluate
from tests.kernels.devices.integer_graphs import IntegerGraphBuilder
from tests.kernels.devices.winograd_graphs import FORMS, random_taps, winograd_convolution

ROWS = ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1))


def products_by_hand(
    op: QWinogradConv2d, patch: list[list[list[int]]], u: Array, scale: Array, k: int, tap: int
) -> np.float32:
    i, j = divmod(tap, 4)
    multiplier, zero_point = op.taps.multipliers[tap], op.taps.zero_points[tap]
    total = 0
    for c in range(u.shape[3]):
        v = sum(ROWS[i][r] * patch[r][s][c] * ROWS[j][s] for r, s in product(range(4), repeat=2))
        q = min(max((v * multiplier + 2**14) // 2**15 + zero_point, 0), 255)
        total += (q - zero_point) * int(u[k, i, j, c])
    return np.float32(np.float32(total) * scale[k, i, j])


def block_by_hand(
    op: QWinogradConv2d, patch: list[list[list[int]]], u: Array, scale: Array, bias: np.float32, k: int
) -> list[list[np.float32]]:
    g = [products_by_hand(op, patch, u, scale, k, tap) for tap in range(16)]
    g[5] = g[5] + bias
    above = [(g[j] + g[4 + j]) + g[8 + j] for j in range(4)]
    below = [(g[4 + j] - g[8 + j]) - g[12 + j] for j in range(4)]
    return [[(h[0] + h[1]) + h[2], (h[1] - h[2]) - h[3]] for h in (above, below)]


def by_hand(op: QWinogradConv2d, x: Array, u: Array, scale: Array, bias: Array) -> NDArray[np.float32]:
    rows, columns = op.window.output_size(op, x.shape[1:3])
    result = np.zeros((1, rows, columns, len(u)), np.float32)

    def pixel(row: int, column: int, c: int) -> int:
        row, column = row - op.padding[0], column - op.padding[1]
        inside = 0 <= row < x.shape[1] and 0 <= column < x.shape[2]
        return int(x[0, row, column, c]) - op.input_zero_point if inside else 0

    for top, left, k in product(range(0, rows, 2), range(0, columns, 2), range(len(u))):
        patch = [
            [[pixel(top + r, left + s, c) for c in range(x.shape[3])] for s in range(4)] for r in range(4)
        ]
        block = block_by_hand(op, patch, u, scale, bias[k], k)
        for a, b in product(range(2), repeat=2):
            if top + a < rows and left + b < columns:
                result[0, top + a, left + b, k] = block[a][b]
    return result


@pytest.mark.parametrize("padding", [(1, 1, 1, 1), (0, 0, 0, 0), (2, 0, 1, 2)])
@pytest.mark.parametrize("gain", [1.0, 6.0])
def test_sums_are_what_the_docstring_says(padding: ir.Padding, gain: float) -> None:
    g = IntegerGraphBuilder(11)
    y = winograd_convolution(
        g, g.input(5, 6, 3), 2, padding=padding, form="float", gain=gain, input_zero_point=200
    )
    (node,) = g.nodes
    assert isinstance(node.op, QWinogradConv2d)
    operands = [{**g.feeds, **g.constants}[value] for value in node.inputs]
    got = evaluate(g.graph(y=y), g.feeds)["y"]
    np.testing.assert_array_equal(got, by_hand(node.op, *operands))


@pytest.mark.parametrize("form", FORMS[1:])
def test_the_epilogue_is_that_of_the_direct_convolution(form: str) -> None:
    g = IntegerGraphBuilder(12)
    y = winograd_convolution(g, g.input(5, 6, 3), 4, form=form)
    (node,) = g.nodes
    op = node.op
    assert isinstance(op, QWinogradConv2d)
    assert op.epilogue is not None
    operands = [{**g.feeds, **g.constants}[value] for value in node.inputs]
    value = by_hand(op, *operands[:4])
    middle, residual = op.epilogue.intermediate, op.epilogue.residual
    if middle:
        value = np.clip(np.rint(value), middle.low, middle.high).astype(np.float32) * np.float32(
            middle.multiplier
        )
    if residual:
        value = value + (operands[4].astype(np.float32) - residual.zero_point) * np.float32(
            residual.multiplier
        )
    wanted = np.clip(np.rint(value) + op.epilogue.zero_point, op.epilogue.low, op.epilogue.high)
    np.testing.assert_array_equal(evaluate(g.graph(y=y), g.feeds)["y"], wanted.astype(np.uint8))


def test_what_lies_beyond_an_odd_edge_changes_nothing() -> None:
    g = IntegerGraphBuilder(13)
    odd, even = g.input(5, 5, 3), g.input(6, 6, 3)
    g.feeds[even][:, :5, :5] = g.feeds[odd]
    first = winograd_convolution(g, odd, 4, padding=(0, 0, 0, 0))
    node = g.nodes[0]
    second = g.add(node.op, even, *node.inputs[1:])
    results = evaluate(g.graph(odd=first, even=second), g.feeds)
    np.testing.assert_array_equal(results["odd"], results["even"][:, :3, :3])


def test_taps_are_sixteen_numbers_in_range() -> None:
    taps = random_taps(np.random.default_rng(0))
    with pytest.raises(GraphError, match=r"multipliers of taps must be 16 numbers in 1\.\.32767"):
        WinogradTaps(multipliers=(0, *taps.multipliers[1:]), zero_points=taps.zero_points)
    with pytest.raises(GraphError, match=r"zero points of taps must be 16 numbers in 0\.\.255"):
        WinogradTaps(multipliers=taps.multipliers, zero_points=taps.zero_points[1:])


def test_weights_of_another_shape_are_refused() -> None:
    g = IntegerGraphBuilder(14)
    x = g.input(5, 6, 3)
    op = QWinogradConv2d((1, 1, 1, 1), 0, random_taps(g.rng), None)
    weights = g.constant(np.zeros((2, 3, 3, 3), np.int8))
    scale, bias = g.constant(np.ones((2, 4, 4), np.float32)), g.constant(np.zeros(2, np.float32))
    with pytest.raises(ShapeMismatchError, match=r"weights must be \[K, 4, 4, 3\]"):
        g.add(op, x, weights, scale, bias)
