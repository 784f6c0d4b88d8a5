"""Batch normalization (or any scale and shift) after a convolution or dense layer goes into its weights."""

from __future__ import annotations

from accelserve.kernels.compiler.rewriting import GraphIndex, Replacement, rewrite
from accelserve.kernels.ir import ChannelAffine, Graph, Node
from accelserve.models.quantize.rewrites.weights import Weighted, affine_vectors


def fold_affine_after(graph: Graph) -> tuple[Graph, bool]:
    """``(w * x + b) * mul + add`` becomes ``(w * mul) * x + (b * mul + add)``.

    1. The affine reads a Conv2d or Dense with float constants, whose result nobody else reads.
    """
    return rewrite(graph, _rule)


def _rule(index: GraphIndex, node: Node) -> Replacement | None:
    if not isinstance(node.op, ChannelAffine) or not index.used_once(node.inputs[0]):
        return None
    layer = Weighted.of(index, index.producers.get(node.inputs[0]))
    vectors = affine_vectors(index, node)
    if layer is None or vectors is None:
        return None
    mul, add = vectors
    weights = layer.weights * mul.reshape((-1,) + (1,) * (layer.weights.ndim - 1))
    return layer.replaced(index, weights, layer.bias * mul + add, output=node.output)
