from __future__ import annotations

import numpy as np
import pytest

from accelserve.kernels.compiler.lower import lower
from accelserve.kernels.devices.reference import evaluate
from accelserve.kernels.ir import ChannelAffine, Clip, Concat, Graph, Node, Quantize
from accelserve.models.quantize.quantizer import quantize
from tests.models.quantize.float_graphs import Chain, floats


def dense_block(*, read_by_a_convolution: bool) -> Graph:
    """Two convolutions side by side, then normalisation and another convolution, as DenseNet has them."""
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
def test_a_concatenation_is_quantised_only_for_layers(read_by_a_convolution: bool) -> None:
    graph = dense_block(read_by_a_convolution=read_by_a_convolution)
    quantised = quantize(graph, [floats(1, 8, 8, 4, seed=seed) for seed in range(3)]).graph
    followed = {node.inputs[0] for node in quantised if isinstance(node.op, Quantize)}
    assert ("joined" in followed) == read_by_a_convolution
    lowered = [node.op.label for node in lower(quantised).graph]
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
    quantised = quantize(graph, [floats(1, 8, 8, 4, seed=seed) for seed in range(3)]).graph
    image = {"x": floats(1, 8, 8, 4, seed=9)}
    expected, found = evaluate(graph, image)["after"], evaluate(quantised, image)["after"]
    np.testing.assert_allclose(found, expected, atol=0.05 * float(np.abs(expected).max()))
