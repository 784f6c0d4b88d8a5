"""What the lowering passes share: reading a Quantize's tail, and int8 weights with their bias."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.compiler.rewriting import GraphIndex, float32
from accelserve.kernels.ir import Clip, Dequantize, Node, Quantize, QuantParams

_LARGEST_CODE = 255


@dataclass(frozen=True, slots=True)
class Tail:
    """A Quantize and the Clip before it, if there is one.

    Attributes:
        value: the float32 value that the tail reads.
        params: of the uint8 result.
        low, high: stored bounds, 0..255, with the Clip in them.
    """

    value: str
    params: QuantParams
    low: int
    high: int


def tail_at(index: GraphIndex, node: Node) -> Tail | None:
    """The tail that ends in ``node``; None if it is no uint8 per-tensor Quantize.

    Clip and Quantize are both increasing, so ``q(clip(v)) = clamp(q(v), q(low), q(high))``.
    """
    if not isinstance(node.op, Quantize) or (params := index.params(node)) is None:
        return None
    before = index.producers.get(node.inputs[0])
    if before is None or not isinstance(before.op, Clip):
        return Tail(node.inputs[0], params, 0, 255)
    return Tail(before.inputs[0], params, stored(before.op.low, params), stored(before.op.high, params))


def stored(real: float, params: QuantParams) -> int:
    """QuantizeLinear of one real, infinities included."""
    scaled = np.rint(np.float32(real) / np.float32(params.scale)) + params.zero_point
    return int(np.clip(scaled, 0, 255))


@dataclass(frozen=True, slots=True)
class IntegerWeights:
    """Weights and bias of a convolution or dense layer, as integers.

    Attributes:
        weights: int8, in the layer's own shape, output channels first.
        scale: float64 [K].
        bias: float64 [K], in reals; None if there is none.
    """

    weights: NDArray[np.int8]
    scale: NDArray[np.float64]
    bias: NDArray[np.float64] | None


def integer_weights(index: GraphIndex, layer: Node) -> IntegerWeights | None:
    """Weights of a layer whose weights are the Dequantize of a constant with zero point 0 (128 if unsigned); else None."""
    node = index.producers.get(layer.inputs[1])
    if node is None or not isinstance(node.op, Dequantize):
        return None
    weights, scale, zero_point = (index.constant(value) for value in node.inputs)
    if weights is None or scale is None or zero_point is None or weights.dtype not in (np.int8, np.uint8):
        return None
    centre = 128 if weights.dtype == np.uint8 else 0
    outputs = weights.shape[0]
    per_channel = scale.size == outputs and node.op.axis % weights.ndim == 0
    if not (scale.size == 1 or per_channel) or (zero_point != centre).any():
        return None
    bias = _real_bias(index, layer)
    if bias is None and len(layer.inputs) == 3:
        return None
    signed = (weights.astype(np.int16) - centre).astype(np.int8) if centre else weights
    return IntegerWeights(signed, np.broadcast_to(scale.astype(np.float64).reshape(-1), (outputs,)), bias)


def _real_bias(index: GraphIndex, layer: Node) -> NDArray[np.float64] | None:
    if len(layer.inputs) < 3:
        return None
    direct = index.constant(layer.inputs[2])
    if direct is not None:
        return np.asarray(direct, np.float64)
    node = index.producers.get(layer.inputs[2])
    if node is None or not isinstance(node.op, Dequantize):
        return None
    stored_bias, scale, zero_point = (index.constant(value) for value in node.inputs)
    if stored_bias is None or scale is None or zero_point is None:
        return None
    reals = (stored_bias.astype(np.float64) - zero_point.astype(np.float64)) * scale.astype(np.float64)
    return np.asarray(reals, np.float64)


def _bias_in_units(weights: IntegerWeights, input_params: QuantParams) -> NDArray[np.float64]:
    unit = weights.scale * input_params.scale
    reals = np.zeros(unit.shape) if weights.bias is None else weights.bias
    # A channel of zero weights may carry the scale 0; its bias is then nothing that an integer could hold.
    return np.rint(np.divide(reals, unit, out=np.zeros(unit.shape), where=unit != 0))


def sums_fit(weights: IntegerWeights, input_params: QuantParams) -> bool:
    """Whether every sum of the layer, its bias included, lies within int32 for any input."""
    rows = weights.weights.reshape(weights.weights.shape[0], -1)
    negative = np.minimum(rows, 0).sum(axis=1, dtype=np.int64)
    positive = np.maximum(rows, 0).sum(axis=1, dtype=np.int64)
    start = _bias_in_units(weights, input_params) - input_params.zero_point * (negative + positive)
    lowest, highest = start + _LARGEST_CODE * negative, start + _LARGEST_CODE * positive
    limits = np.iinfo(np.int32)
    return bool((lowest >= limits.min).all() and (highest <= limits.max).all())


def integer_bias(weights: IntegerWeights, input_params: QuantParams) -> NDArray[np.int32]:
    """int32 [K]: the bias in units of the accumulator, less ``zero_point * sum(weights[k])``. Pre: ``sums_fit``."""
    sums = weights.weights.reshape(weights.weights.shape[0], -1).sum(axis=1, dtype=np.int64)
    return np.asarray(_bias_in_units(weights, input_params) - input_params.zero_point * sums).astype(np.int32)


def multipliers(
    weights: IntegerWeights, input_params: QuantParams, output_scale: float
) -> NDArray[np.float32]:
    """float32 [K]: ``input scale * weight scale / output scale``, in float64, rounded once."""
    return (weights.scale * input_params.scale / output_scale).astype(np.float32)


def ratio(numerator: float, denominator: float) -> float:
    """A multiplier between two scales, rounded once to float32."""
    return float32(numerator / denominator)
