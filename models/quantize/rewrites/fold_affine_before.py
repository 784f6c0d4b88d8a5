"""A scale and shift before a convolution or dense layer goes into its weights."""

from __future__ import annotations

import numpy as np

from accelserve.kernels.compiler.rewriting import GraphIndex, Replacement, rewrite
from accelserve.kernels.ir import ChannelAffine, Conv2d, Graph, Node
from accelserve.models.quantize.rewrites.weights import Weighted, affine_vectors


def fold_affine_before(graph: Graph) -> tuple[Graph, bool]:
    """``w * (x * mul + add) + b`` becomes ``(w * mul) * x + (b + w * add)``.

    1. A Conv2d or Dense with float constants reads an affine that nobody else reads.
    2. If there is padding, ``add`` is zero: padding is zero after the affine, and would be ``-add / mul`` before it.
    """
    return rewrite(graph, _rule)


def _rule(index: GraphIndex, node: Node) -> Replacement | None:
    affine = index.producers.get(node.inputs[0]) if node.inputs else None
    if affine is None or not isinstance(affine.op, ChannelAffine) or not index.used_once(affine.output):
        return None
    layer, vectors = Weighted.of(index, node), affine_vectors(index, affine)
    if layer is None or vectors is None:
        return None
    mul, add = vectors
    if isinstance(node.op, Conv2d) and any(node.op.window.padding) and np.any(add):
        return None
    per_output = _per_output(layer, mul), _per_output(layer, add)
    shifted = (layer.weights * per_output[1]).reshape(layer.weights.shape[0], -1).sum(axis=1)
    return layer.replaced(index, layer.weights * per_output[0], layer.bias + shifted, source=affine.inputs[0])


def _per_output(
    layer: Weighted, vector: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """The vector over input channels as each output channel's group sees it, [K, 1.., C per group]."""
    outputs, *window, per_group = layer.weights.shape
    rows = np.repeat(vector.reshape(layer.groups, per_group), outputs // layer.groups, axis=0)
    return rows.reshape(outputs, *(1 for _ in window), per_group)
