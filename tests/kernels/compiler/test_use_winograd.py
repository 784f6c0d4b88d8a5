from __future__ import annotations

import numpy as np
import pytest

from accelserve.kernels import ir
from accelserve.kernels.compiler.lower import lower
from accelserve.kernels.compiler.passes.use_winograd import transformed_weights
from accelserve.kernels.errors import PlanError
from accelserve.kernels.ir import Graph, WinogradTaps
from accelserve.kernels.reference.evaluator import evaluate
from tests.kernels.compiler.network_builder import NetworkBuilder


def taps_for(zero_point: int) -> WinogradTaps:
    """Steps of four; the tap that sums four pixels is off centre by as much as the pixels are."""
    zero_points = [128] * 16
    zero_points[5] = zero_point
    return WinogradTaps(multipliers=(8000,) * 16, zero_points=tuple(zero_points))


FINE = taps_for(128)


def network(zero_point: int = 40) -> Graph:
    """Three layers: 3x3, 1x1, and 3x3 with a residual sum."""
    net = NetworkBuilder((1, 9, 8, 16))
    x = net.quantize("images", 0.02, zero_point)
    first = net.quantize(net.conv(x, 16, 16), 0.4, 100)
    second = net.quantize(net.conv(first, 16, 16, kernel=1), 0.7, 128)
    third = net.conv(second, 16, 16)
    y = net.quantize(net.add(ir.Add(), third, first), 4.0, 128)
    return net.graph(y=y)


def layers(graph: Graph) -> list[str]:
    return [node.name for node in lower(graph).graph if isinstance(node.op, ir.QConv2d)]


def test_named_layers_change_and_no_other() -> None:
    graph = network()
    first, second, third = layers(graph)
    lowered = lower(graph, {first: FINE, third: FINE}).graph
    kinds = {node.name: node.op.label for node in lowered if node.name in {first, second, third}}
    assert kinds == {first: "QWinogradConv2d", second: "QConv2d", third: "QWinogradConv2d"}
    assert next(node for node in lowered if node.name == third).inputs[4:], "the residual stays"
    assert not any(name.startswith(f"{first}/weights") for name in lowered.constants)


@pytest.mark.parametrize("zero_point", [0, 40, 255])
def test_results_are_those_of_the_direct_form_but_for_the_taps_rounding(zero_point: int) -> None:
    graph = network(zero_point)
    direct = lower(graph)
    winograd = lower(graph, {layers(graph)[0]: taps_for(zero_point), layers(graph)[2]: FINE})
    image = np.random.default_rng(3).integers(0, 256, (1, 9, 8, 16)).astype(np.uint8)
    wanted, got = (evaluate(each.graph, {"images": image})["y"] for each in (direct, winograd))
    noise = np.sqrt(np.mean((wanted - got) ** 2) / np.mean((wanted - wanted.mean()) ** 2))
    assert 0 < noise < 0.1


def test_transformed_weights_are_the_transform_of_weights() -> None:
    w = np.random.default_rng(1).integers(-127, 128, (5, 3, 3, 7)).astype(np.int8)
    w[3] = 0
    integers, unit = transformed_weights(w)
    matrix = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
    wanted = np.einsum("ir,krsc,js->kijc", matrix, w.astype(np.float64), matrix)
    assert np.all(np.abs(integers * unit[..., None] - wanted) <= unit[..., None] / 2 + 1e-9)
    assert np.array_equal(np.abs(integers.astype(int)).max(axis=3)[[0, 1, 2, 4]], np.full((4, 4, 4), 127))
    assert not integers[3].any()


def test_a_name_of_no_layer_is_refused() -> None:
    with pytest.raises(PlanError, match="no layer is named 'nowhere'"):
        lower(network(), {"nowhere": FINE})


def test_a_layer_without_such_a_form_is_refused() -> None:
    graph = network()
    with pytest.raises(PlanError, match=r"\(QConv2d\) is no 3x3 convolution at stride 1"):
        lower(graph, {layers(graph)[1]: FINE})
