"""Where a classifier keeps its features: the pooled tensor that its last weighted layer reads."""

from __future__ import annotations

from dataclasses import replace

from accelserve.kernels.compiler.rewriting import GraphIndex
from accelserve.kernels.ir import (
    AveragePool,
    ChannelAffine,
    Clip,
    Conv2d,
    Dense,
    Graph,
    Node,
    Reshape,
    Softmax,
)
from accelserve.models.repository import FEATURES

# What may follow the last weighted layer; an affine is its bias, where the file keeps it apart.
_AFTER_WEIGHTS = (Softmax, Clip, Reshape, ChannelAffine)


def with_features(graph: Graph) -> Graph:
    """The graph with an output ``features`` [1, 1, 1, C]; itself if it has one, or if no features are found.

    1. The first output is followed back through Softmax, Clip, Reshape and a bias to the last Dense, or to a convolution that
       reads a single pixel: its operand is the features.
    2. A network that ends in a global average pool is all features.
    """
    if FEATURES in graph.outputs:
        return graph
    value = _features(graph)
    if value is None:
        return graph
    channels = graph.type_of(value).shape[-1]
    wanted = (1, 1, 1, channels)
    nodes = graph.nodes
    if graph.type_of(value).shape != wanted:
        name = GraphIndex(graph).unused(FEATURES)
        nodes = (*nodes, Node(name, Reshape(wanted), (value,), name))
        value = name
    return replace(graph, nodes=nodes, outputs={**graph.outputs, FEATURES: value}, _types={})


def _features(graph: Graph) -> str | None:
    makers = graph.producers()
    value = next(iter(graph.outputs.values()))
    while (node := makers.get(value)) is not None and isinstance(node.op, _AFTER_WEIGHTS):
        value = node.inputs[0]
    if node is None:
        return None
    if isinstance(node.op, AveragePool) and _is_vector(graph, value):
        return value
    if not isinstance(node.op, Dense | Conv2d) or not _is_vector(graph, node.inputs[0]):
        return None
    value = node.inputs[0]
    before = makers.get(value)
    if before is not None and isinstance(before.op, Reshape) and _is_vector(graph, before.inputs[0]):
        return before.inputs[0]
    return value


def _is_vector(graph: Graph, value: str) -> bool:
    shape = graph.type_of(value).shape
    return len(shape) in {2, 4} and all(size == 1 for size in shape[:-1])
