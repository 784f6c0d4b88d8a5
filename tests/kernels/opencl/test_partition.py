"""What runs on the engine and what on the host."""

from __future__ import annotations

import numpy as np

from accelserve.kernels import ir
from accelserve.kernels.ir import Array, Graph
from accelserve.kernels.opencl.compiler.partition import partition
from accelserve.kernels.reference.evaluator import evaluate
from tests.kernels.devices.integer_graphs import IntegerGraphBuilder


def sides(graph: Graph) -> list[bool]:
    return [segment.on_device for segment in partition(graph)]


def run_in_parts(graph: Graph, feeds: dict[str, Array]) -> dict[str, Array]:
    values = dict(feeds)
    for segment in partition(graph):
        values |= evaluate(segment.graph, {name: values[name] for name in segment.graph.inputs})
    return {public: values[value] for public, value in graph.outputs.items()}


def test_an_integer_network_is_one_segment() -> None:
    g = IntegerGraphBuilder(0)
    y = g.average(g.maximum(g.conv(g.input(8, 8, 3), 8, 3), 2), (5, 5))
    assert sides(g.graph(y=y)) == [True]


def test_a_softmax_at_the_end_is_the_hosts() -> None:
    g = IntegerGraphBuilder(0)
    logits = g.add(ir.Reshape((1, 10)), g.conv(g.input(1, 1, 8), 10, float_result=True))
    graph = g.graph(scores=g.add(ir.Softmax(1), logits))
    assert sides(graph) == [True, False]
    assert [len(segment.graph.nodes) for segment in partition(graph)] == [2, 1]


def test_float_operators_between_integer_ones_make_three_parts_that_compute_the_same() -> None:
    g = IntegerGraphBuilder(0)
    x = g.input(6, 6, 8)
    middle = g.add(ir.L2Normalize(), g.conv(x, 12, 3, padding=1, float_result=True))
    scale, zero = g.constant(np.array(0.004, np.float32)), g.constant(np.array(128, np.uint8))
    y = g.conv(g.add(ir.Quantize(), middle, scale, zero), 8)
    side = g.conv(x, 8, 3, padding=1)
    graph = g.graph(y=y, side=side)
    assert sides(graph) == [True, False, True]
    whole = evaluate(graph, g.feeds)
    parts = run_in_parts(graph, g.feeds)
    assert all(np.array_equal(parts[name], array) for name, array in whole.items())


def test_bytes_that_are_only_rearranged_stay_on_the_host() -> None:
    g = IntegerGraphBuilder(0)
    assert sides(g.graph(y=g.concat(3, g.input(2, 2, 4), g.input(2, 2, 4)))) == [False]
