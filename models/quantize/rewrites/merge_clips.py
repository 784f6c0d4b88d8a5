"""Two bounds in a row are one."""

from __future__ import annotations

from accelserve.kernels.compiler.rewriting import GraphIndex, Replacement, rewrite
from accelserve.kernels.ir import Clip, Graph, Node


def merge_clips(graph: Graph) -> tuple[Graph, bool]:
    """``clip(clip(x, a, b), c, d)`` becomes one Clip.

    1. The inner result has no other reader.
    """
    return rewrite(graph, _rule)


def _rule(index: GraphIndex, node: Node) -> Replacement | None:
    inner = index.producers.get(node.inputs[0]) if node.inputs else None
    if not isinstance(node.op, Clip) or inner is None or not isinstance(inner.op, Clip):
        return None
    if not index.used_once(inner.output):
        return None
    low = min(max(inner.op.low, node.op.low), node.op.high)
    high = min(max(inner.op.high, node.op.low), node.op.high)
    return Replacement((Node(node.name, Clip(low, high), inner.inputs, node.output),))
