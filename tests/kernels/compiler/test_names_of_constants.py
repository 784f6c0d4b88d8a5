"""Whatever a file calls its constants, lowering puts none of its own in their place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from accelserve.kernels import ir
from accelserve.kernels.compiler.lower import lower
from accelserve.kernels.compiler.rewriting import GraphIndex
from accelserve.kernels.ir import Graph
from accelserve.kernels.reference.evaluator import evaluate
from tests.kernels.compiler.network_builder import NetworkBuilder


def renamed(graph: Graph, names: dict[str, str]) -> Graph:
    """The graph with constants called otherwise."""
    constants = {names.get(name, name): array for name, array in graph.constants.items()}
    nodes = tuple(replace(node, inputs=tuple(names.get(i, i) for i in node.inputs)) for node in graph)
    return Graph(graph.inputs, nodes, constants, graph.outputs)


def read_in_float_after_a_convolution(colliding: frozenset[str]) -> ir.Array:
    """What a network answers whose activation is read by an operator that stays float32, behind a convolution."""
    net = NetworkBuilder((1, 6, 6, 4))
    convolved = net.conv(net.quantize("images", 0.02, 120), 8, 4)
    scale, zero_point = net.constant(np.array(0.1, np.float32)), net.constant(np.array(7, np.uint8))
    stored = net.add(ir.Quantize(), convolved, scale, zero_point)
    real = net.add(ir.Dequantize(), stored, scale, zero_point)
    graph = net.graph(y=net.add(ir.L2Normalize(1e-12), real))
    layer = next(node.name for node in graph if isinstance(node.op, ir.Conv2d))
    names = {scale: "scale", zero_point: "bias"}
    lowered = lower(renamed(graph, {c: f"{layer}/{n}" for c, n in names.items() if n in colliding}))
    image = np.random.default_rng(0).integers(0, 256, (1, 6, 6, 4)).astype(np.uint8)
    return evaluate(lowered.graph, {"images": image})["y"]


def test_an_activation_keeps_its_scale_beside_a_layer_of_the_same_name() -> None:
    expected = read_in_float_after_a_convolution(frozenset())
    np.testing.assert_array_equal(read_in_float_after_a_convolution(frozenset(("scale", "bias"))), expected)


def test_a_free_name_is_taken_as_it_is_and_others_are_numbered() -> None:
    net = NetworkBuilder((1, 4, 4, 3))
    net.constants |= {"x": np.zeros(1, np.float32), "x_2": np.zeros(1, np.float32)}
    index = GraphIndex(net.graph(y=net.add(ir.Clip(), "images", name="clip")))
    assert [index.unused(name) for name in ("free", "images", "clip:0", "x")] == [
        "free",
        "images_2",
        "clip:0_2",
        "x_3",
    ]
