"""Whatever a file calls its tensors and nodes, even by the names that are made up here, the network computes the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import onnx
import pytest

from accelserve.kernels.compiler.lower import lower
from accelserve.kernels.ir import Array, Graph
from accelserve.kernels.reference.evaluator import evaluate
from accelserve.models.conversion.features import with_features
from accelserve.models.importing import export_onnx, import_onnx
from accelserve.models.quantize.quantizer import QuantizeOptions, quantize
from tests.models.importing.onnx_models import floats, node, onnx_file

IMAGES = floats(4, 8, 8, 3)
FAST = QuantizeOptions(method="minmax")  # no search for the best scale: names are what matters


def network() -> onnx.ModelProto:
    nodes = [
        node("Conv", "x w1", "c", pads=[1, 1, 1, 1]),
        node("Relu", "c", "r"),
        node("Sigmoid", "r", "s"),
        node("Conv", "s w2 b2", "d", pads=[1, 1, 1, 1]),
        node("Add", "d r", "a"),
        node("Pad", "a p", "e"),
        node("GlobalAveragePool", "e", "g"),
        node("Flatten", "g", "f"),
        node("Gemm", "f w3 b3", "l", transB=1),
        node("Relu", "l", "m"),
        node("Gemm", "m w4", "y", transB=1),
    ]
    constants: dict[str, Array] = {
        "w1": floats(8, 3, 3, 3), "w2": floats(8, 8, 3, 3), "b2": floats(8), "w3": floats(8, 8), "b3": floats(8),
        "w4": floats(5, 8), "p": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
    }  # fmt: skip
    return onnx.ModelProto.FromString(onnx_file(nodes, {"x": (1, 3, 8, 8)}, ["y"], constants))


def stages(model: onnx.ModelProto) -> Iterator[Graph]:
    """The network as it is imported, quantized, written and read again, and lowered."""
    imported = with_features(import_onnx(model.SerializeToString()).graph)
    yield imported
    quantized = quantize(imported, [image[None] for image in IMAGES], FAST).graph
    yield quantized
    published = import_onnx(export_onnx(quantized)).graph
    yield published
    yield lower(published).graph


def names(graph: Graph) -> set[str]:
    return {*graph.constants, *(each.name for each in graph), *(each.output for each in graph)}


def answers(graph: Graph) -> list[Array]:
    return list(evaluate(graph, {"x": IMAGES[:1]}).values())


def renamed(new: Mapping[str, str]) -> onnx.ModelProto:
    """The network with other names for values and, alike, for the nodes that make them."""
    model = network()
    for each in model.graph.node:
        for values in (each.input, each.output):
            values[:] = [new.get(value, value) for value in values]
        each.name = each.output[0] if each.output[0] in new.values() else each.name
    for tensor in model.graph.initializer:
        tensor.name = new.get(tensor.name, tensor.name)
    return model


PLAIN = list(stages(network()))
EXPECTED = [answers(graph) for graph in PLAIN]
MADE_UP = sorted(
    set().union(*map(names, PLAIN)) - {v for n in network().graph.node for v in (n.name, *n.output)}
)


def test_names_are_made_up() -> None:
    """Else the test below would try nothing."""
    assert {"r/quantized", "r/dequantized", "w1/scale"} <= set(MADE_UP)
    assert len(MADE_UP) > 40


@pytest.mark.parametrize("old", ["c", "f", "w3"])
def test_a_name_of_ours_in_a_file(old: str) -> None:
    for name in MADE_UP:
        if name in {"x", *(tensor.name for tensor in network().graph.initializer)}:
            continue
        for of_plain, other in zip(EXPECTED, stages(renamed({old: name})), strict=True):
            for expected, found in zip(of_plain, answers(other), strict=True):
                np.testing.assert_array_equal(found, expected, err_msg=f"{old} called {name}")
