"""Two scales and shifts in a row are one."""

from __future__ import annotations

import numpy as np

from accelserve.kernels.compiler.rewriting import GraphIndex, Replacement, rewrite
from accelserve.kernels.ir import ChannelAffine, Graph, Node
from accelserve.models.quantize.rewrites.weights import affine_vectors


def merge_affines(graph: Graph) -> tuple[Graph, bool]:
    """``(x * m + a) * n + b`` becomes ``x * (m * n) + (a * n + b)``.

    1. The inner result has no other reader.
    """
    return rewrite(graph, _rule)


def _rule(index: GraphIndex, node: Node) -> Replacement | None:
    inner = index.producers.get(node.inputs[0]) if node.inputs else None
    if not isinstance(node.op, ChannelAffine) or inner is None or not isinstance(inner.op, ChannelAffine):
        return None
    first, second = affine_vectors(index, inner), affine_vectors(index, node)
    if first is None or second is None or not index.used_once(inner.output):
        return None
    names = tuple(index.unused(f"{node.name}/merged_{what}") for what in ("mul", "add"))
    merged = Node(node.name, node.op, (inner.inputs[0], *names), node.output)
    arrays = first[0] * second[0], first[1] * second[0] + second[1]
    return Replacement(
        (merged,), {name: array.astype(np.float32) for name, array in zip(names, arrays, strict=True)}
    )
