"""Sums, per-channel affine maps, norms and means of quantized operands become integer operators.

With [Clip] a Clip or nothing, and operands that are per-tensor uint8:

1. ``Quantize([Clip](Add(Dequantize(a), Dequantize(b))))``, shapes equal -> ``QAdd``.
2. ``Quantize([Clip](ChannelAffine(Dequantize(x), mul, add)))`` -> ``QChannelAffine``.
3. ``Quantize([Clip](ChannelAffine(L2Normalize(Dequantize(x)), mul, add)))`` -> ``QL2Normalize``.
4. ``Quantize(AveragePool(Dequantize(x)))`` -> ``QAveragePool``.

Post: their factors are constants.
"""

from __future__ import annotations

import numpy as np

from accelserve.kernels.compiler.driver import graph_pass, leaves
from accelserve.kernels.compiler.passes.activations_to_uint8 import signed_activation
from accelserve.kernels.compiler.passes.quantized_pattern import Tail, ratio, tail_at
from accelserve.kernels.compiler.rewriting import GraphIndex, Replacement, rewrite
from accelserve.kernels.ir import (
    Add,
    AveragePool,
    ChannelAffine,
    Graph,
    L2Normalize,
    Node,
    Op,
    QAdd,
    QAveragePool,
    QChannelAffine,
    QL2Normalize,
    QuantParams,
    Residual,
)
from accelserve.kernels.ir.integer_ops import LEAST_EPSILON, MOST_SQUARES


def _computed_factors(graph: Graph) -> str | None:
    for node in graph:
        factors = node.inputs[1:] if isinstance(node.op, QChannelAffine | QL2Normalize | QAveragePool) else ()
        if not all(value in graph.constants for value in factors):
            return f"the factors of '{node.name}' are no constants"
    return None


@graph_pass(requires=(signed_activation,), ensures=(leaves(_computed_factors),))
def lower_pointwise(graph: Graph) -> tuple[Graph, bool]:
    """Apply the rules of this file; see the module's docstring."""
    return rewrite(graph, _lower)


def _lower(index: GraphIndex, node: Node) -> Replacement | None:
    tail = tail_at(index, node)
    source = index.producers.get(tail.value) if tail else None
    if tail is None or source is None:
        return None
    if isinstance(source.op, Add):
        return _sum(index, node, source, tail)
    if isinstance(source.op, ChannelAffine):
        return _affine(index, node, source, tail)
    if isinstance(source.op, AveragePool) and (tail.low, tail.high) == (0, 255):
        return _mean(index, node, source, tail)
    return None


def _sum(index: GraphIndex, node: Node, source: Node, tail: Tail) -> Replacement | None:
    a, b = (index.dequantized(value) for value in source.inputs)
    shapes = {index.graph.type_of(value).shape for value in source.inputs}
    if a is None or b is None or len(shapes) != 1:
        return None
    terms = [
        Residual(zero_point=p.zero_point, multiplier=ratio(p.scale, tail.params.scale)) for _, p in (a, b)
    ]
    op = QAdd(terms[0], terms[1], tail.params.zero_point, tail.low, tail.high)
    return Replacement((Node(_name(index, source, node), op, (a[0], b[0]), node.output),))


def _affine(index: GraphIndex, node: Node, source: Node, tail: Tail) -> Replacement | None:
    before = index.producers.get(source.inputs[0])
    norm = before.op if before is not None and isinstance(before.op, L2Normalize) else None
    x = index.dequantized(before.inputs[0] if before is not None and norm is not None else source.inputs[0])
    mul, add = (index.constant(value) for value in source.inputs[1:])
    if x is None or mul is None or add is None:
        return None
    if norm is not None and mul.size > MOST_SQUARES:
        return None
    value, params = x
    name = index.unused(f"{source.name}/{node.output}")
    # What is normalized has no scale any more.
    scale, input_scale = tail.params.scale, params.scale if norm is None else 1.0
    constants = {
        index.unused(f"{name}/mul"): (mul.astype(np.float64) * input_scale / scale).astype(np.float32),
        index.unused(f"{name}/add"): (add.astype(np.float64) / scale).astype(np.float32),
    }
    op = _by_channel(norm, params, tail)
    return Replacement((Node(name, op, (value, *constants), node.output),), constants)


def _by_channel(norm: L2Normalize | None, params: QuantParams, tail: Tail) -> Op:
    bounds = tail.params.zero_point, tail.low, tail.high
    if norm is None:
        return QChannelAffine(params.zero_point, *bounds)
    return QL2Normalize(params.zero_point, max(ratio(norm.epsilon, params.scale), LEAST_EPSILON), *bounds)


def _mean(index: GraphIndex, node: Node, source: Node, tail: Tail) -> Replacement | None:
    x = index.dequantized(source.inputs[0])
    if x is None or not isinstance(source.op, AveragePool):
        return None
    window = source.op.window
    cells = window.kernel[0] * window.kernel[1]
    divisors = np.full(cells + 1, cells) if source.op.count_padding else np.maximum(np.arange(cells + 1), 1)
    name = _name(index, source, node)
    constant = index.unused(f"{name}/multiplier")
    multiplier = (x[1].scale / (tail.params.scale * divisors)).astype(np.float32)
    op = QAveragePool(window, x[1].zero_point, tail.params.zero_point)
    return Replacement((Node(name, op, (x[0], constant), node.output),), {constant: multiplier})


def _name(index: GraphIndex, source: Node, node: Node) -> str:
    """The source's name, unless more than this node reads the source, so that both stand side by side, or it becomes several."""
    once = all(index.used_once(value) for value in (source.output, node.inputs[0]))
    return source.name if once else f"{source.name}/{node.output}"
