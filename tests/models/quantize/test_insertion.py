from __future__ import annotations

import numpy as np
import pytest

from accelserve.kernels.compiler.lower import lower
from accelserve.kernels.ir import ChannelAffine, Clip, Concat, Graph, Node, Quantize
from accelserve.kernels.reference.evaluator import evaluate
from accelserve.models.quantize.quantizer import QuantizeOptions, quantize
from tests.models.quantize.float_graphs import Chain, floats


def dense_block(*, read_by_a_convolution: bool) -> Graph:
    """Two convolutions side by side, then normalization and another convolution, as DenseNet has them."""
    net = Chain(1, 8, 8, 4)
    first = net.conv(8)
    second = net.conv(8, 3, padding=1, reading=first)
    net.then(Concat(3), second, reading=first, name="joined")
    if not read_by_a_convolution:
        net.affine()
        net.then(Clip())
    net.conv(4)
    net.then(Clip())
    net.conv(8)
    return net.graph(net.last)


@pytest.mark.parametrize("read_by_a_convolution", [True, False])
def test_a_concatenation_is_quantized_only_for_layers(read_by_a_convolution: bool) -> None:
    graph = dense_block(read_by_a_convolution=read_by_a_convolution)
    quantized = quantize(graph, [floats(1, 8, 8, 4, seed=seed) for seed in range(3)]).graph
    followed = {node.inputs[0] for node in quantized if isinstance(node.op, Quantize)}
    assert ("joined" in followed) == read_by_a_convolution
    lowered = [node.op.label for node in lower(quantized).graph]
    assert lowered.count("Concat") == 1
    assert "ChannelAffine" not in lowered, "the map still runs on integers"
    assert np.all(np.isin(["Conv2d", "Add"], lowered, invert=True))


def test_names_that_the_network_has_already_are_left_to_it() -> None:
    net = Chain(1, 8, 8, 4)
    net.conv(8)
    graph = net.graph(net.last)
    (conv,) = graph.nodes
    rival = f"{conv.inputs[0]}/scale"
    constants = {**graph.constants, rival: np.full(8, 3.0, np.float32)}
    nodes = (*graph.nodes, Node("after", ChannelAffine(), (conv.output, rival, rival), "after"))
    graph = Graph(graph.inputs, nodes, constants, {"after": "after"})
    quantized = quantize(graph, [floats(1, 8, 8, 4, seed=seed) for seed in range(3)]).graph
    image = {"x": floats(1, 8, 8, 4, seed=9)}
    expected, found = evaluate(graph, image)["after"], evaluate(quantized, image)["after"]
    np.testing.assert_allclose(found, expected, atol=0.05 * float(np.abs(expected).max()))


def two_layers_with_the_same_constants() -> Graph:
    """``first`` and ``second`` read the weights ``w`` and the bias ``b``, and nothing else does."""
    net = Chain(1, 8, 8, 4)
    net.conv(4)
    net.relu()
    graph = net.graph(net.last)
    (conv, relu) = graph.nodes
    weights, bias = (graph.constants[name] for name in conv.inputs[1:])
    nodes = (
        Node("first", conv.op, ("x", "w", "b"), "a"),
        Node("relu", relu.op, ("a",), "r"),
        Node("second", conv.op, ("r", "w", "b"), "y"),
    )
    return Graph(graph.inputs, nodes, {"w": weights, "b": bias}, {"y": "y"})


@pytest.mark.parametrize("kept", [frozenset(), {"first"}, {"second"}], ids=["none", "first", "second"])
def test_layers_share_weights_whichever_stays_in_float32(kept: frozenset[str]) -> None:
    graph = two_layers_with_the_same_constants()
    assert_stays_close(graph, "y", frozenset(kept))


@pytest.mark.parametrize("layer_first", [True, False])
def test_weights_that_something_else_reads_stay_for_it(layer_first: bool) -> None:
    net = Chain(1, 8, 8, 4)
    net.conv(4)
    net.relu()
    graph = net.graph(net.last)
    (conv, relu) = graph.nodes
    bias = conv.inputs[2]
    layer = Node("layer", conv.op, ("x" if layer_first else "m", *conv.inputs[1:]), "c")
    affine = Node("affine", ChannelAffine(), ("r" if layer_first else "x", bias, bias), "m")
    after = Node("relu", relu.op, ("c",), "r")
    nodes = (layer, after, affine) if layer_first else (affine, layer, after)
    last = "m" if layer_first else "r"
    assert_stays_close(Graph(graph.inputs, nodes, graph.constants, {last: last}), last)


def test_weights_that_are_a_result_too_are_given_out_as_they_are() -> None:
    net = Chain(1, 8, 8, 4)
    net.conv(8)
    graph = net.graph(net.last)
    weights = graph.nodes[0].inputs[1]
    graph = Graph(graph.inputs, graph.nodes, graph.constants, {"y": net.last, "weights": weights})
    quantized = quantize(graph, [floats(1, 8, 8, 4, seed=seed) for seed in range(3)]).graph
    given = evaluate(quantized, {"x": floats(1, 8, 8, 4)})["weights"]
    np.testing.assert_array_equal(given, graph.constants[weights])


@pytest.mark.parametrize("kept", [frozenset(), {"third"}], ids=["none", "third"])
def test_names_that_new_constants_would_have_may_be_taken(kept: frozenset[str]) -> None:
    """Layer ``second`` cannot keep its weights' name, and ``second/weight`` is another layer's."""
    graph = two_layers_with_the_same_constants()
    first, relu, second = graph.nodes
    others = {"second/weight": -graph.constants["w"], "second/bias": graph.constants["b"] + 1}
    third = Node("third", second.op, ("y", *others), "z")
    nodes = (first, relu, second, third)
    assert_stays_close(
        Graph(graph.inputs, nodes, {**graph.constants, **others}, {"z": "z"}), "z", frozenset(kept)
    )


def assert_stays_close(graph: Graph, output: str, keep: frozenset[str] = frozenset()) -> None:
    options = QuantizeOptions(keep_float=keep)
    quantized = quantize(graph, [floats(1, 8, 8, 4, seed=seed) for seed in range(3)], options).graph
    image = {"x": floats(1, 8, 8, 4, seed=9)}
    expected, found = evaluate(graph, image)[output], evaluate(quantized, image)[output]
    np.testing.assert_allclose(found, expected, atol=0.05 * float(np.abs(expected).max()))
    lowered = lower(quantized)
    params = lowered.input_quantization.get("x")
    if params is not None:
        codes = np.rint(image["x"] / np.float32(params.scale)) + params.zero_point
        image = {"x": np.clip(codes, 0, 255).astype(np.uint8)}
    integers = evaluate(lowered.graph, image)[output]
    np.testing.assert_allclose(integers, found, atol=0.02 * float(np.abs(expected).max()))
