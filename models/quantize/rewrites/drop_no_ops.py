"""Operators that change nothing."""

from __future__ import annotations

import math

import numpy as np

from accelserve.kernels.compiler.rewriting import GraphIndex, substitute
from accelserve.kernels.ir import (
    AveragePool,
    ChannelAffine,
    Clip,
    Concat,
    Graph,
    MaxPool,
    Node,
    Pad,
    Reshape,
    Slice,
    Transpose,
    Window,
)
from accelserve.models.quantize.rewrites.weights import affine_vectors

_ONE_CELL = Window(kernel=(1, 1))


def drop_no_ops(graph: Graph) -> tuple[Graph, bool]:
    """Readers of such a node read its operand instead.

    1. Reshape or Slice to the same shape, Transpose by the identity, Pad by nothing, Concat of one.
    2. Clip without bounds, or that repeats the bounds of the Clip before it.
    3. Pooling under a window of one cell with stride 1.
    4. ChannelAffine by 1 and 0.
    """
    index = GraphIndex(graph)
    idle = {node.output: node.inputs[0] for node in graph if _is_idle(index, node)}
    return (substitute(graph, idle), True) if idle else (graph, False)


def _is_idle(index: GraphIndex, node: Node) -> bool:
    same_shape = index.graph.type_of(node.inputs[0]) == index.graph.type_of(node.output)
    match node.op:
        case Reshape() | Slice() | Pad():
            return same_shape
        case Transpose(permutation):
            return permutation == tuple(range(len(permutation)))
        case Concat():
            return len(node.inputs) == 1
        case Clip(low, high):
            inner = index.producers.get(node.inputs[0])
            return (low, high) == (-math.inf, math.inf) or (inner is not None and inner.op == node.op)
        case MaxPool(window) | AveragePool(window):
            return window == _ONE_CELL
        case ChannelAffine():
            vectors = affine_vectors(index, node)
            return vectors is not None and bool(np.all(vectors[0] == 1) and np.all(vectors[1] == 0))
        case _:
            return False
