"""Stored weights become int8 with zero point 0, which is all that integer layers multiply by.

With ``centred`` the exact difference of stored weights and their zero points:

1. ``Dequantize(constant w, s, z)``, centred within int8 -> ``Dequantize(centred, s, 0)``.
2. ``layer(x, Dequantize(constant w, s, z), bias)``, layer a Dense or a Conv2d of one group, x = Dequantize(q) of an
   activation, centred beyond int8 -> ``layer(Dequantize(Concat(q, q)), Dequantize([a, b], s, 0), bias)`` along the input
   channels, with a + b = centred, both within int8: the sum of products is the same integer, at twice the products. (Of
   three parts where a weight is 255.)

onnxruntime's quantizer writes uint8 weights whose zero point is not 128 where it is told to; their differences take nine
bits. What no rule fits runs in float32. Post: the reals are the same, and stored weights whose centred values are int8 have the zero point 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.compiler.driver import graph_pass, leaves
from accelserve.kernels.compiler.rewriting import GraphIndex, Replacement, rewrite
from accelserve.kernels.ir import Array, Concat, Conv2d, Dense, Dequantize, Graph, Node

_INT8 = np.iinfo(np.int8)


def _asymmetric_weights(graph: Graph) -> str | None:
    index = GraphIndex(graph)
    for node in graph:
        centred = _centred(index, node)
        if centred is None or not _fits(centred):
            continue
        zero_point = index.constant(node.inputs[2])
        if zero_point is not None and zero_point.any():
            return f"'{node.name}' has weights of a zero point other than 0 that int8 could hold without one"
    return None


@graph_pass(ensures=(leaves(_asymmetric_weights),))
def symmetric_weights(graph: Graph) -> tuple[Graph, bool]:
    """Apply the rules of this file; see the module's docstring."""
    graph, shifted = rewrite(graph, _shifted)
    graph, split = rewrite(graph, _split)
    return graph, shifted or split


def _centred(index: GraphIndex, node: Node) -> NDArray[np.int16] | None:
    """Stored weights less their zero points; None if the node does not dequantize constant bytes."""
    if not isinstance(node.op, Dequantize):
        return None
    weights, scale, zero_point = (index.constant(value) for value in node.inputs)
    if weights is None or scale is None or zero_point is None:
        return None
    if weights.dtype not in (np.int8, np.uint8):
        return None
    shape = [1] * weights.ndim
    if zero_point.size > 1:
        shape[node.op.axis] = zero_point.size
    elif weights.ndim == 0:
        shape = []
    return np.asarray(weights.astype(np.int16) - zero_point.astype(np.int16).reshape(shape))


def _fits(centred: NDArray[np.int16]) -> bool:
    return bool(centred.size and centred.min() >= _INT8.min and centred.max() <= _INT8.max)


def _shifted(index: GraphIndex, node: Node) -> Replacement | None:
    centred = _centred(index, node)
    if centred is None or not _fits(centred):
        return None
    zero_point = index.constant(node.inputs[2])
    if zero_point is None or (zero_point.dtype == np.int8 and not zero_point.any()):
        return None
    return _dequantized(index, node, centred.astype(np.int8), np.zeros(zero_point.shape, np.int8))


def _dequantized(index: GraphIndex, node: Node, weights: Array, zero_point: Array) -> Replacement:
    names = index.unused(f"{node.name}/symmetric"), index.unused(f"{node.name}/zero")
    moved = Node(node.name, node.op, (names[0], node.inputs[1], names[1]), node.output)
    return Replacement((moved,), dict(zip(names, (weights, zero_point), strict=True)))


def _split(index: GraphIndex, node: Node) -> Replacement | None:
    if not isinstance(node.op, Conv2d | Dense) or (isinstance(node.op, Conv2d) and node.op.groups != 1):
        return None
    source, stored = index.dequantized(node.inputs[0]), index.producers.get(node.inputs[1])
    centred = None if stored is None else _centred(index, stored)
    if source is None or stored is None or centred is None or _fits(centred):
        return None
    if not _scaled_by_output(index, stored, centred.ndim):
        return None
    parts = _parts(centred)
    reals = _dequantized(index, stored, np.concatenate(parts, axis=-1), np.zeros((), np.int8))
    return _on_repeated_channels(index, node, (source[0],) * len(parts), reals)


def _parts(centred: NDArray[np.int16]) -> list[NDArray[np.int8]]:
    """As few int8 arrays as sum to ``centred``."""
    parts = []
    while centred.any():
        part = np.clip(centred, _INT8.min, _INT8.max)
        parts.append(part.astype(np.int8))
        centred = centred - part
    return parts


def _scaled_by_output(index: GraphIndex, stored: Node, rank: int) -> bool:
    scale = index.constant(stored.inputs[1])
    if scale is None or not isinstance(stored.op, Dequantize):
        return False
    return scale.size == 1 or stored.op.axis % rank == 0


def _on_repeated_channels(
    index: GraphIndex, node: Node, sources: tuple[str, ...], reals: Replacement
) -> Replacement:
    activation = index.producers[node.inputs[0]]
    last = len(index.graph.type_of(sources[0]).shape) - 1
    repeated, read, weights = (
        index.unused(f"{node.name}/{what}") for what in ("repeated", "repeated_reals", "weights_in_parts")
    )
    return Replacement(
        (
            Node(repeated, Concat(last), sources, repeated),
            Node(read, activation.op, (repeated, *activation.inputs[1:]), read),
            Node(weights, Dequantize(0), reals.nodes[0].inputs, weights),
            Node(node.name, node.op, (read, weights, *node.inputs[2:]), node.output),
        ),
        reals.constants,
    )
