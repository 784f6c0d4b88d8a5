"""A scale and shift behind a layer of integer weights goes into their scales and the bias.

1. ``ChannelAffine(layer(x, Dequantize(w, s), b), mul, add)`` -> ``layer(x, Dequantize(w, s * mul), b * mul + add)``,
   layer one of Conv2d, Dense.

Quantizers that leave batch normalization where training had it (NNCF) write this. Pre: the layer's result has no other
reader; constants are symmetric int8, as ``integer_weights`` has them, and x is a quantized activation. A channel with
``mul`` 0 gets weights 0. Post: the integers are the same, except in such channels; scales may be negative, and are finite.
"""

from __future__ import annotations

import numpy as np

from accelserve.kernels.compiler.driver import graph_pass, leaves
from accelserve.kernels.compiler.passes.quantized_pattern import integer_weights
from accelserve.kernels.compiler.rewriting import GraphIndex, Replacement, rewrite
from accelserve.kernels.ir import ChannelAffine, Conv2d, Dense, Dequantize, Graph, Node

# Beyond this the bias would leave no room for products in the int32 accumulator.
_LARGEST_BIAS = 2.0**30


def _endless_scale(graph: Graph) -> str | None:
    for node in graph:
        scale = graph.constants.get(node.inputs[1]) if isinstance(node.op, Dequantize) else None
        if scale is not None and not np.isfinite(scale.astype(np.float64)).all():
            return f"'{node.name}' has a scale that is not finite"
    return None


@graph_pass(ensures=(leaves(_endless_scale),))
def fold_affine_into_layer(graph: Graph) -> tuple[Graph, bool]:
    """Apply the rule of this file; see the module's docstring."""
    return rewrite(graph, _fold)


def _fold(index: GraphIndex, node: Node) -> Replacement | None:
    if not isinstance(node.op, ChannelAffine) or not index.used_once(node.inputs[0]):
        return None
    layer = index.producers.get(node.inputs[0])
    mul, add = (index.constant(value) for value in node.inputs[1:3])
    if layer is None or not isinstance(layer.op, Conv2d | Dense) or mul is None or add is None:
        return None
    source, integers = index.dequantized(layer.inputs[0]), integer_weights(index, layer)
    if source is None or integers is None:
        return None
    dead = mul == 0
    bias = np.zeros(mul.shape) if integers.bias is None else integers.bias
    bias = bias * mul + add
    # Where nothing is multiplied any scale will do that holds the shift.
    scale = np.where(dead, np.maximum(np.abs(bias), 1.0) / 2.0**24, integers.scale * mul)
    if (np.abs(bias) > _LARGEST_BIAS * np.abs(scale) * source[1].scale).any():
        return None
    weights = np.where(dead.reshape(-1, *(1,) * (integers.weights.ndim - 1)), 0, integers.weights)
    names = [
        index.unused(f"{node.name}/folded_{what}") for what in ("weights", "scale", "zero_point", "bias")
    ]
    arrays = (
        weights.astype(np.int8),
        scale.astype(np.float32),
        np.zeros(mul.shape, np.int8),
        bias.astype(np.float32),
    )
    real = index.unused(f"{node.name}/folded")
    return Replacement(
        (
            Node(real, Dequantize(0), tuple(names[:3]), real),
            Node(node.name, layer.op, (layer.inputs[0], real, names[3]), node.output),
        ),
        dict(zip(names, arrays, strict=True)),
    )
