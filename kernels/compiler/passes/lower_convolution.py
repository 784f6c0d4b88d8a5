"""Convolutions and dense layers of quantized operands become integer ones, with what follows them in the epilogue.

With ``layer`` one of Conv2d, Dense of (Dequantize(x), Dequantize(constant w), bias), and [Clip] a Clip or nothing:

1. ``Quantize([Clip](Add(layer, Dequantize(r))))`` -> ``QConv2d`` with a residual.
2. ``Quantize([Clip](Add(Dequantize(Quantize(layer)), Dequantize(r))))``, the inner Quantize read by nothing else
   -> ``QConv2d`` with an intermediate quantization and a residual. Where both operands of Add are such layers, the
   later one takes the sum, since the earlier one's result is ready by then.
3. ``Quantize([Clip](layer))`` -> ``QConv2d``.
4. ``layer`` that something else reads -> ``QConv2d`` without epilogue, a float32 result.

Rules 1 and 2 are offered to the whole graph before 3 and 4. Dense runs as a 1x1 convolution, its rows being
pixels.
Pre: weights are symmetric; activations are per-tensor uint8. A layer of others, or with sums beyond int32, stays
float32. Post: no sum of an integer layer leaves int32, whatever it reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from accelserve.kernels.compiler.driver import graph_pass, leaves
from accelserve.kernels.compiler.passes.activations_to_uint8 import signed_activation
from accelserve.kernels.compiler.passes.quantized_pattern import (
    IntegerWeights,
    Tail,
    integer_bias,
    integer_weights,
    multipliers,
    ratio,
    sums_fit,
    tail_at,
)
from accelserve.kernels.compiler.rewriting import GraphIndex, Replacement, rewrite
from accelserve.kernels.ir import (
    Add,
    Array,
    Conv2d,
    Dense,
    Epilogue,
    Graph,
    Intermediate,
    Node,
    QConv2d,
    QuantParams,
    Reshape,
    Residual,
    Window,
)


def sums_beyond_int32(graph: Graph) -> str | None:
    """The condition that every sum of integer layers fits int32, for any input, the bias included."""
    limits = np.iinfo(np.int32)
    for node in graph:
        if not isinstance(node.op, QConv2d):
            continue
        weights, bias = (graph.constants.get(value) for value in node.inputs[1:3])
        if weights is None or bias is None:
            continue
        least, most = (
            bias + 255 * half(weights.reshape(len(weights), -1), 0).sum(axis=1, dtype=np.int64)
            for half in (np.minimum, np.maximum)
        )
        if (least < limits.min).any() or (most > limits.max).any():
            return f"sums of '{node.name}' may leave int32"
    return None


def integer_layer_left(graph: Graph) -> str | None:
    """The condition that no layer of float32 could be one of integers."""
    index = GraphIndex(graph)
    left = next((node for node in graph if _layer_at(index, node.output) is not None), None)
    return None if left is None else f"'{left.name}' could still compute with integers"


@graph_pass(requires=(signed_activation,), ensures=(leaves(sums_beyond_int32),))
def lower_residual_convolution(graph: Graph) -> tuple[Graph, bool]:
    """Rules 1 and 2 of this file."""
    return rewrite(graph, _with_residual)


@graph_pass(requires=(signed_activation,), ensures=(leaves(sums_beyond_int32), leaves(integer_layer_left)))
def lower_convolution(graph: Graph) -> tuple[Graph, bool]:
    """Rule 3 of this file, then rule 4 for what is left."""
    graph, quantized = rewrite(graph, _with_tail)
    graph, left = rewrite(graph, _to_float)
    return graph, quantized or left


@dataclass(frozen=True, slots=True)
class QuantizedLayer:
    """A Conv2d or Dense node whose operands are integers.

    Attributes:
        node: the float node.
        source: the uint8 activation it reads, with its parameters.
        integers: weights and bias.
        intermediate: parameters of a Quantize right behind it that a residual sum reads; None without.
    """

    node: Node
    source: tuple[str, QuantParams]
    integers: IntegerWeights
    intermediate: QuantParams | None = None


def _layer_at(index: GraphIndex, value: str) -> QuantizedLayer | None:
    node = index.producers.get(value)
    if node is None or not isinstance(node.op, Conv2d | Dense):
        return None
    source = index.dequantized(node.inputs[0])
    integers = integer_weights(index, node)
    if source is None or integers is None or not sums_fit(integers, source[1]):
        return None
    return QuantizedLayer(node, source, integers)


def _summand_at(index: GraphIndex, value: str) -> QuantizedLayer | None:
    """The layer behind one operand of a residual sum that nothing else reads, directly or through a Quantize."""
    if not index.used_once(value):
        return None
    direct = _layer_at(index, value)
    if direct is not None:
        return direct
    stored = index.dequantized(value)
    if stored is None or not index.used_once(stored[0]):
        return None
    inner = index.quantized_from(stored[0])
    if inner is None or inner[1] != stored[1] or not index.used_once(inner[0]):
        return None
    layer = _layer_at(index, inner[0])
    return None if layer is None else QuantizedLayer(layer.node, layer.source, layer.integers, stored[1])


def _with_residual(index: GraphIndex, node: Node) -> Replacement | None:
    tail = tail_at(index, node)
    total = index.producers.get(tail.value) if tail else None
    if tail is None or total is None or not isinstance(total.op, Add) or not index.used_once(tail.value):
        return None
    candidates: list[tuple[int, QuantizedLayer, tuple[str, QuantParams]]] = []
    for mine, other in (total.inputs, total.inputs[::-1]):
        layer = _summand_at(index, mine)
        residual = index.dequantized(other)
        same_shape = index.graph.type_of(mine).shape == index.graph.type_of(other).shape
        if layer is not None and residual is not None and same_shape:
            candidates.append((index.positions[layer.node.name], layer, residual))
    if not candidates:
        return None
    _, layer, residual = max(candidates, key=lambda candidate: candidate[0])
    return _integer_layer(index, layer, tail, node.output, residual)


def _with_tail(index: GraphIndex, node: Node) -> Replacement | None:
    tail = tail_at(index, node)
    layer = _layer_at(index, tail.value) if tail else None
    if tail is None or layer is None:
        return None
    return _integer_layer(index, layer, tail, node.output)


def _to_float(index: GraphIndex, node: Node) -> Replacement | None:
    layer = _layer_at(index, node.output)
    if layer is None:
        return None
    return _integer_layer(index, layer, None, node.output)


def _integer_layer(
    index: GraphIndex,
    layer: QuantizedLayer,
    tail: Tail | None,
    output: str,
    residual: tuple[str, QuantParams] | None = None,
) -> Replacement:
    # Several Quantize nodes may read one layer, or its Clip; the value they make tells the integer nodes apart.
    name = layer.node.name
    read = (layer.node.output, *([] if tail is None else index.producers[output].inputs[:1]))
    if not all(index.used_once(value) for value in read):
        name = index.unused(f"{name}/{output}")
    first_scale = layer.intermediate or (tail.params if tail else None)
    window, groups, weights = _as_convolution(layer)
    constants: dict[str, Array] = {
        index.unused(f"{name}/weights"): weights,
        index.unused(f"{name}/bias"): integer_bias(layer.integers, layer.source[1]),
        index.unused(f"{name}/scale"): multipliers(
            layer.integers, layer.source[1], first_scale.scale if first_scale else 1.0
        ),
    }
    op = QConv2d(window, groups, layer.source[1].zero_point, _epilogue(layer, tail, residual))
    operands = [layer.source[0], *constants, *([residual[0]] if residual else [])]
    if isinstance(layer.node.op, Conv2d):
        return Replacement((Node(name, op, tuple(operands), output),), constants)
    return Replacement(_on_pixels(index, name, op, operands, output), constants)


def _as_convolution(layer: QuantizedLayer) -> tuple[Window, int, Array]:
    op = layer.node.op
    if isinstance(op, Conv2d):
        return op.window, op.groups, layer.integers.weights
    return Window(kernel=(1, 1)), 1, np.ascontiguousarray(layer.integers.weights[:, None, None, :])


def _epilogue(
    layer: QuantizedLayer, tail: Tail | None, residual: tuple[str, QuantParams] | None
) -> Epilogue | None:
    if tail is None:
        return None
    output = tail.params
    middle = layer.intermediate
    return Epilogue(
        zero_point=output.zero_point,
        low=tail.low,
        high=tail.high,
        residual=None
        if residual is None
        else Residual(zero_point=residual[1].zero_point, multiplier=ratio(residual[1].scale, output.scale)),
        intermediate=None
        if middle is None
        else Intermediate(
            low=-middle.zero_point, high=255 - middle.zero_point, multiplier=ratio(middle.scale, output.scale)
        ),
    )


def _on_pixels(
    index: GraphIndex, name: str, op: QConv2d, operands: Sequence[str], output: str
) -> tuple[Node, ...]:
    """A dense layer: [N, C] as an image of one row of N pixels, and back."""
    rows, channels = index.graph.type_of(operands[0]).shape
    pixels = index.unused(f"{name}/pixels")
    nodes = [Node(pixels, Reshape((1, 1, rows, channels)), (operands[0],), pixels)]
    operands = [pixels, *operands[1:]]
    outputs = index.graph.type_of(output).shape[1]
    if len(operands) == 5:
        residual = index.unused(f"{name}/residual_pixels")
        nodes.append(Node(residual, Reshape((1, 1, rows, outputs)), (operands[4],), residual))
        operands[4] = residual
    image = index.unused(f"{name}/image")
    nodes.append(Node(name, op, tuple(operands), image))
    nodes.append(Node(index.unused(f"{name}/vector"), Reshape((rows, outputs)), (image,), output))
    return tuple(nodes)
