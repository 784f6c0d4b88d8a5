from __future__ import annotations

import numpy as np
import pytest

from accelserve.kernels import ir
from accelserve.kernels.compiler.lower import lower
from accelserve.kernels.ir import Array, Graph
from accelserve.kernels.program import Lowered
from accelserve.kernels.reference.evaluator import evaluate
from accelserve.kernels.reference.operators import EVALUATORS
from tests.kernels.compiler.network_builder import NetworkBuilder


def operators(lowered: Lowered) -> list[str]:
    return [node.op.label for node in lowered.graph]


def assert_means_the_same(graph: Graph, lowered: Lowered, steps: float) -> None:
    """The lowered graph gives what the float graph gives, but for ``steps`` (a bound in real units)."""
    image = np.random.default_rng(7).normal(0, 1, graph.inputs["images"].shape).astype(np.float32)
    feeds: dict[str, ir.Array] = {"images": image}
    params = lowered.input_quantization.get("images")
    stored = feeds
    if params is not None:
        operands = [image, np.array(params.scale, np.float32), np.array(params.zero_point, np.uint8)]
        stored = {"images": EVALUATORS[ir.Quantize](ir.Quantize(), operands)}
    expected, got = evaluate(graph, feeds), evaluate(lowered.graph, stored)
    for name, array in expected.items():
        assert got[name].dtype == array.dtype
        np.testing.assert_allclose(got[name], array, atol=steps, rtol=1e-5)


def test_convolution_with_relu_becomes_one_integer_convolution() -> None:
    net = NetworkBuilder((1, 8, 8, 4))
    x = net.quantize("images", 0.02, 120)
    y = net.quantize(net.add(ir.Clip(), net.conv(x, 8, 4)), 0.05, 0)
    graph = net.graph(y=y)
    lowered = lower(graph)
    assert operators(lowered) == ["QConv2d", "Dequantize"]
    assert lowered.input_quantization["images"] == ir.QuantParams(float(np.float32(0.02)), 120)
    assert_means_the_same(graph, lowered, 0.051)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_layer_whose_sums_could_leave_int32_stays_float(sign: int) -> None:
    """A bias near the largest int32 is valid ONNX (QLinearConv's own); a sum that wrapped would turn its sign."""
    net = NetworkBuilder((1, 8, 8, 4))
    largest = 0.02 * 0.01 * 2.0**31  # in the units of every channel's sums
    y = net.quantize(
        net.conv(net.quantize("images", 0.02, 120), 8, 4, shift=sign * largest), largest / 50, 128
    )
    graph = net.graph(y=y)
    lowered = lower(graph)
    assert "QConv2d" not in operators(lowered)
    assert_means_the_same(graph, lowered, largest / 49)


@pytest.mark.parametrize("stored", [True, False])
def test_a_layer_added_to_itself_is_not_its_own_residual(stored: bool) -> None:
    """The sum reads one value twice: what one operand is taken from must still be made for the other."""
    net = NetworkBuilder((1, 8, 8, 4))
    layer = net.conv(net.quantize("images", 0.02, 120), 8, 4)
    if stored:
        layer = net.quantize(layer, 0.05, 128)
    graph = net.graph(y=net.quantize(net.add(ir.Add(), layer, layer), 0.1, 128))
    assert_means_the_same(graph, lower(graph), 0.11)


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_signed_activations_become_unsigned(dtype: str) -> None:
    net = NetworkBuilder((1, 8, 8, 4))
    x = net.quantize("images", 0.02, -8 if dtype == "int8" else 120, dtype)
    y = net.quantize(net.conv(x, 8, 4), 0.1, -3 if dtype == "int8" else 125, dtype)
    graph = net.graph(y=y)
    lowered = lower(graph)
    assert operators(lowered) == ["QConv2d", "Dequantize"]
    assert {t.dtype for t in lowered.graph.inputs.values()} == {ir.DType.U8}
    assert_means_the_same(graph, lowered, 0.11)


@pytest.mark.parametrize("intermediate", [True, False])
def test_residual_sum_joins_the_later_convolution(intermediate: bool) -> None:
    net = NetworkBuilder((1, 8, 8, 4))
    x = net.quantize("images", 0.02, 120)
    shortcut = net.quantize(net.conv(x, 8, 4, kernel=1), 0.04, 130)
    inner = net.quantize(net.add(ir.Clip(), net.conv(x, 8, 4)), 0.03, 0)
    branch = net.conv(inner, 8, 8)
    if intermediate:
        branch = net.quantize(branch, 0.1, 128)
    y = net.quantize(net.add(ir.Clip(), net.add(ir.Add(), branch, shortcut)), 0.08, 0)
    graph = net.graph(y=y)
    lowered = lower(graph)
    assert operators(lowered) == ["QConv2d", "QConv2d", "QConv2d", "Dequantize"]
    last = lowered.graph.nodes[2].op
    assert isinstance(last, ir.QConv2d)
    assert last.epilogue is not None
    assert last.epilogue.residual is not None
    assert (last.epilogue.intermediate is not None) == intermediate
    assert_means_the_same(graph, lowered, 0.17)


def test_concatenation_of_other_scales_requantizes_by_table() -> None:
    net = NetworkBuilder((1, 8, 8, 4))
    x = net.quantize("images", 0.02, 120)
    a = net.quantize(net.conv(x, 8, 4), 0.1, 128)
    b = net.quantize(net.conv(x, 8, 4), 0.05, 128)
    y = net.quantize(net.add(ir.Concat(3), a, b), 0.1, 128)
    graph = net.graph(y=y)
    lowered = lower(graph)
    assert sorted(operators(lowered)) == ["Concat", "Dequantize", "QConv2d", "QConv2d", "QLookup"]
    assert_means_the_same(graph, lowered, 0.11)


def test_pooling_and_reshaping_move_stored_integers() -> None:
    net = NetworkBuilder((1, 8, 8, 4))
    x = net.quantize("images", 0.02, 120)
    pooled = net.quantize(net.add(ir.MaxPool(ir.Window(kernel=(2, 2), strides=(2, 2))), x), 0.02, 120)
    flat = net.add(ir.Reshape((1, 64)), pooled)
    y = net.add(ir.Dense(), flat, net.weights((10, 64)))
    graph = net.graph(y=y)
    lowered = lower(graph)
    assert operators(lowered) == ["MaxPool", "Reshape", "Reshape", "QConv2d", "Reshape"]
    assert_means_the_same(graph, lowered, 1e-4)


def test_densenet_preactivation_becomes_a_channel_affine() -> None:
    net = NetworkBuilder((1, 8, 8, 4))
    x = net.quantize("images", 0.02, 120)
    mul = net.constant(np.array([1, -1, 0.5, 2], np.float32))
    add = net.constant(np.array([0.1, 0.2, -0.3, 0], np.float32))
    y = net.quantize(net.add(ir.Clip(), net.add(ir.ChannelAffine(), x, mul, add)), 0.03, 0)
    graph = net.graph(y=y)
    lowered = lower(graph)
    assert operators(lowered) == ["QChannelAffine", "Dequantize"]
    assert_means_the_same(graph, lowered, 0.031)


def test_l2_normalization_with_a_learned_scale_becomes_one_operator() -> None:
    net = NetworkBuilder((1, 8, 8, 4))
    x = net.quantize("images", 0.02, 120)
    mul = net.constant(np.array([20, -10, 5, 15], np.float32))
    add = net.constant(np.array([0.1, 0.2, -0.3, 0], np.float32))
    y = net.quantize(net.add(ir.ChannelAffine(), net.add(ir.L2Normalize(), x), mul, add), 0.15, 100)
    graph = net.graph(y=y)
    lowered = lower(graph)
    assert operators(lowered) == ["QL2Normalize", "Dequantize"]
    assert_means_the_same(graph, lowered, 0.151)


def test_l2_normalization_of_more_than_int32_can_sum_stays_float() -> None:
    channels = 33_026
    net = NetworkBuilder((1, 1, 2, channels))
    x = net.quantize("images", 0.02, 120)
    mul, add = (net.constant(np.full(channels, value, np.float32)) for value in (20, 0))
    y = net.quantize(net.add(ir.ChannelAffine(), net.add(ir.L2Normalize(), x), mul, add), 0.15, 100)
    assert "L2Normalize" in operators(lower(net.graph(y=y)))


def test_global_mean_becomes_an_integer_pool() -> None:
    net = NetworkBuilder((1, 7, 7, 4))
    x = net.quantize("images", 0.02, 120)
    y = net.quantize(net.add(ir.AveragePool(ir.Window(kernel=(7, 7))), x), 0.01, 110)
    graph = net.graph(y=y)
    lowered = lower(graph)
    assert operators(lowered) == ["QAveragePool", "Dequantize"]
    assert_means_the_same(graph, lowered, 0.011)


def test_sigmoid_after_a_convolution_becomes_a_table() -> None:
    net = NetworkBuilder((1, 8, 8, 4))
    x = net.quantize("images", 0.02, 120)
    y = net.quantize(net.add(ir.Sigmoid(), net.quantize(net.conv(x, 8, 4), 0.1, 128)), 1 / 255, 0)
    graph = net.graph(y=y)
    lowered = lower(graph)
    assert operators(lowered) == ["QConv2d", "QLookup", "Dequantize"]
    assert_means_the_same(graph, lowered, 0.02)


def test_logits_stay_float_and_feed_the_softmax() -> None:
    net = NetworkBuilder((1, 4))
    x = net.quantize("images", 0.02, 120)
    y = net.add(ir.Softmax(1), net.add(ir.Dense(), x, net.weights((10, 4))))
    graph = net.graph(y=y)
    lowered = lower(graph)
    assert operators(lowered) == ["Reshape", "QConv2d", "Reshape", "Softmax"]
    assert_means_the_same(graph, lowered, 1e-5)


def test_a_value_with_two_quantizations_keeps_both() -> None:
    net = NetworkBuilder((1, 8, 8, 4))
    x = net.quantize("images", 0.02, 120)
    conv = net.conv(x, 8, 4)
    a, b = net.quantize(conv, 0.1, 128), net.quantize(conv, 0.2, 100)
    graph = net.graph(a=a, b=b, raw=conv)
    lowered = lower(graph)
    assert operators(lowered).count("QConv2d") == 3
    assert_means_the_same(graph, lowered, 0.21)


def test_a_float_graph_comes_back_as_it_is() -> None:
    net = NetworkBuilder((1, 8, 8, 4))
    weights = net.constant(np.ones((8, 1, 1, 4), np.float32))
    y = net.add(ir.Conv2d(ir.Window(kernel=(1, 1))), "images", weights)
    graph = net.graph(y=y)
    assert lower(graph).graph is graph


def test_a_sum_and_a_mean_that_are_quantized_twice_become_two_nodes_each() -> None:
    """The names of nodes and of packed multipliers must not meet."""
    scales = {
        name: np.array(value, np.float32) for name, value in (("s", 0.1), ("fine", 0.05), ("coarse", 0.2))
    }
    constants: dict[str, Array] = {**scales, "z": np.array(7, np.uint8)}
    nodes = [ir.Node("x", ir.Dequantize(), ("in", "s", "z"), "x")]
    nodes += [
        ir.Node("sum", ir.Add(), ("x", "x"), "sum"),
        ir.Node("mean", ir.AveragePool(ir.Window(kernel=(2, 2))), ("x",), "mean"),
    ]
    outputs = {}
    for source in ("sum", "mean"):
        for scale in ("fine", "coarse"):
            name = outputs[f"{source} {scale}"] = f"{source}/{scale}"
            nodes.append(ir.Node(name, ir.Quantize(), (source, scale, "z"), name))
    graph = Graph({"in": ir.TensorType((1, 4, 4, 3), ir.DType.U8)}, tuple(nodes), constants, outputs)
    lowered = lower(graph).graph
    assert sorted(node.op.label for node in lowered) == ["QAdd", "QAdd", "QAveragePool", "QAveragePool"]
    feeds = {"in": np.random.default_rng(0).integers(0, 256, (1, 4, 4, 3)).astype(np.uint8)}
    literal, found = evaluate(graph, feeds), evaluate(lowered, feeds)
    for name, array in literal.items():
        assert np.abs(array.astype(int) - found[name]).max() <= 1, name


def test_a_sum_and_a_mean_that_are_quantized_and_are_outputs_too_keep_both_nodes() -> None:
    net = NetworkBuilder((1, 4, 4, 4))
    x = net.quantize("images", 0.02, 120)
    total, mean = net.add(ir.Add(), x, x), net.add(ir.AveragePool(ir.Window(kernel=(2, 2))), x)
    stored = [net.quantize(value, 0.05, 128) for value in (total, mean)]
    graph = net.graph(total=total, mean=mean, stored_total=stored[0], stored_mean=stored[1])
    assert_means_the_same(graph, lower(graph), 0.051)
