"""Pooling under a window of one cell only subsamples; a 1x1 convolution after it can stride instead."""

from __future__ import annotations

from dataclasses import replace

from accelserve.kernels.compiler.rewriting import GraphIndex, Replacement, rewrite
from accelserve.kernels.ir import AveragePool, Conv2d, Graph, MaxPool, Node, Window


def fold_subsampling(graph: Graph) -> tuple[Graph, bool]:
    """``conv1x1(subsample(x, s))`` becomes a convolution with stride ``s`` times its own.

    1. The pooling has a window of one cell and no padding; the convolution has a 1x1 kernel and no padding.
    """
    return rewrite(graph, _rule)


def _rule(index: GraphIndex, node: Node) -> Replacement | None:
    pool = index.producers.get(node.inputs[0]) if node.inputs else None
    if not isinstance(node.op, Conv2d) or pool is None or not isinstance(pool.op, MaxPool | AveragePool):
        return None
    window, inner = node.op.window, pool.op.window
    if not (_is_one_cell(window) and _is_one_cell(inner)):
        return None
    strides = (window.strides[0] * inner.strides[0], window.strides[1] * inner.strides[1])
    op = replace(node.op, window=replace(window, strides=strides))
    return Replacement((Node(node.name, op, (pool.inputs[0], *node.inputs[1:]), node.output),))


def _is_one_cell(window: Window) -> bool:
    return window.kernel == (1, 1) and not any(window.padding)
