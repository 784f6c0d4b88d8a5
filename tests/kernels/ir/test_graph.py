from __future__ import annotations

import numpy as np
import pytest

from accelserve.kernels import ir
from accelserve.kernels.errors import GraphError, ShapeMismatchError
from accelserve.kernels.ir import DType, Graph, Node, QuantParams, TensorType, Window

IMAGE = TensorType((1, 8, 8, 4), DType.F32)


def relu(name: str, source: str) -> Node:
    return Node(name, ir.Clip(), (source,), f"{name}:0")


def test_types_follow_the_data() -> None:
    pool = Node("pool", ir.MaxPool(Window(kernel=(3, 3), strides=(2, 2), padding=(1, 1, 1, 1))), ("x",), "y")
    graph = Graph({"x": IMAGE}, (pool,), {}, {"out": "y"})
    assert graph.type_of("y") == TensorType((1, 4, 4, 4), DType.F32)
    assert str(graph.type_of("y")) == "float32[1, 4, 4, 4]"


@pytest.mark.parametrize(
    ("nodes", "outputs", "words"),
    [
        ((relu("a", "nothing"),), {}, "reads .'nothing'., which nothing before it makes"),
        ((relu("a", "x"), relu("a", "x")), {}, "two nodes are named 'a'"),
        ((relu("a", "x"), Node("b", ir.Clip(), ("x",), "a:0")), {}, "makes 'a:0', which exists already"),
        ((), {"out": "gone"}, "output 'out' names value 'gone', which nothing makes"),
    ],
)
def test_broken_wiring_is_named(nodes: tuple[Node, ...], outputs: dict[str, str], words: str) -> None:
    with pytest.raises(GraphError, match=words):
        Graph({"x": IMAGE}, nodes, {}, outputs)


def test_what_nothing_needs_is_dropped() -> None:
    constants = {"mul": np.ones(4, np.float32), "add": np.zeros(4, np.float32)}
    affine = Node("affine", ir.ChannelAffine(), ("x", "mul", "add"), "y")
    graph = Graph({"x": IMAGE}, (affine, relu("a", "x")), constants, {"out": "a:0"})
    cleaned = graph.with_nodes(graph.nodes)
    assert [node.name for node in cleaned] == ["a"]
    assert dict(cleaned.constants) == {}


def test_a_convolution_says_what_does_not_fit() -> None:
    weights = {"w": np.zeros((8, 3, 3, 5), np.float32)}
    conv = Node("conv", ir.Conv2d(Window(kernel=(3, 3))), ("x", "w"), "y")
    with pytest.raises(
        ShapeMismatchError, match="weights have 5 input channels and 8 outputs but the activation has 4"
    ):
        Graph({"x": IMAGE}, (conv,), weights, {"out": "y"})


def test_a_window_larger_than_its_input_is_refused() -> None:
    pool = Node("pool", ir.MaxPool(Window(kernel=(9, 9))), ("x",), "y")
    with pytest.raises(ShapeMismatchError, match="a window of 9 does not fit a padded input of 8"):
        Graph({"x": IMAGE}, (pool,), {}, {"out": "y"})


@pytest.mark.parametrize(
    ("scale", "zero_point"), [(0.0, 0), (-1.0, 0), (float("nan"), 0), (1.0, -1), (1.0, 256)]
)
def test_quantization_parameters_have_bounds(scale: float, zero_point: int) -> None:
    with pytest.raises(GraphError):
        QuantParams(scale, zero_point)


def test_dtypes_that_kernels_lack_are_refused() -> None:
    with pytest.raises(GraphError, match="complex64"):
        DType.of(np.zeros(1, np.complex64))
