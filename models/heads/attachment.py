"""A linear head at the end of a published network's graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.ir import (
    Array,
    Dense,
    Dequantize,
    Graph,
    Node,
    Quantize,
    QuantParams,
    Reshape,
    Softmax,
)
from accelserve.models.heads.linear_head import LinearHead
from accelserve.models.quantize.calibration import params_of
from accelserve.models.quantize.weights import quantize_weights
from accelserve.models.repository import FEATURES

Layer = Literal["float32", "int8"]
LAYERS: tuple[Layer, ...] = get_args(Layer)
PROBABILITIES = "probabilities"


def attach(graph: Graph, head: LinearHead, layer: Layer, params: QuantParams) -> Graph:
    """The graph cut after its features, with the head's probabilities as its first output.

    Args:
        graph: quantized, with an output ``features`` [1, 1, 1, C].
        head: for C features.
        layer: arithmetic of the head.
        params: of the int8 layer's input; ``feature_params`` gives them.
    """
    features = graph.outputs[FEATURES]
    trunk = replace(graph, outputs={FEATURES: features}, _types={}).with_nodes(graph.nodes)
    prefix = _unused_prefix(trunk)
    operand, logits = f"{prefix}/features", f"{prefix}/logits"
    nodes = [Node(operand, Reshape((1, head.weights.shape[1])), (features,), operand)]
    constants: dict[str, Array]
    if layer == "int8":
        made, operands, constants = _integer_operands(prefix, operand, head, params)
        nodes += made
    else:
        operands = (operand, f"{prefix}/weights", f"{prefix}/bias")
        constants = {operands[1]: head.weights, operands[2]: head.bias}
    nodes.append(Node(logits, Dense(), operands, logits))
    nodes.append(Node(f"{prefix}/softmax", Softmax(1), (logits,), f"{prefix}/softmax"))
    outputs = {PROBABILITIES: f"{prefix}/softmax", FEATURES: features}
    return Graph(trunk.inputs, (*trunk.nodes, *nodes), {**trunk.constants, **constants}, outputs)


def feature_params(graph: Graph, features: NDArray[np.float32]) -> QuantParams:
    """How an int8 head reads the features: as the network quantized them, or by their range if it did not.

    Args:
        graph: quantized, with an output ``features``.
        features: of the pictures that the head is trained on.
    """
    makers = graph.producers()
    value = graph.outputs[FEATURES]
    while (node := makers.get(value)) is not None and isinstance(node.op, Reshape):
        value = node.inputs[0]
    constants: Mapping[str, Array] = graph.constants
    if node is not None and isinstance(node.op, Dequantize):
        scale, zero_point = (constants[name] for name in node.inputs[1:])
        if zero_point.dtype == np.uint8 and scale.size == 1:
            return QuantParams(float(np.float32(scale.item())), int(zero_point.item()))
    return params_of((float(features.min()), float(features.max())))


def as_quantized(features: NDArray[np.float32], params: QuantParams) -> NDArray[np.float32]:
    """The features as an int8 head reads them: rounded half to even and clipped to what uint8 can hold."""
    codes = np.clip(np.rint(features / np.float32(params.scale)) + params.zero_point, 0, 255)
    return np.asarray((codes - params.zero_point) * np.float32(params.scale), np.float32)


def _integer_operands(
    prefix: str, operand: str, head: LinearHead, params: QuantParams
) -> tuple[list[Node], tuple[str, ...], dict[str, Array]]:
    """Nodes, names of activation, weights and bias as Dense reads them, and constants."""
    integers = quantize_weights(head.weights, head.bias, params.scale)
    scale, zero = f"{operand}/scale", f"{operand}/zero_point"
    constants: dict[str, Array] = {
        scale: np.array(params.scale, np.float32),
        zero: np.array(params.zero_point, np.uint8),
    }
    codes = f"{operand}/quantized"
    nodes = [Node(codes, Quantize(), (operand, scale, zero), codes)]
    nodes.append(Node(f"{operand}/dequantized", Dequantize(), (codes, scale, zero), f"{operand}/dequantized"))
    for name, stored, unit in (
        (f"{prefix}/weights", integers.weights, integers.scale),
        (f"{prefix}/bias", integers.bias, integers.bias_scale),
    ):
        constants |= {name: stored, f"{name}/scale": unit}
        constants[f"{name}/zero_point"] = np.zeros(unit.shape, stored.dtype)
        result = f"{name}/dequantized"
        nodes.append(Node(result, Dequantize(0), (name, f"{name}/scale", f"{name}/zero_point"), result))
    return nodes, tuple(node.output for node in nodes[1:]), constants


def _unused_prefix(graph: Graph) -> str:
    taken = {*graph.inputs, *graph.constants, *(node.output for node in graph), *(n.name for n in graph)}
    prefix = "head"
    while any(name.startswith(f"{prefix}/") for name in taken):
        prefix += "_"
    return prefix
