"""Seeded random weights whose activations keep their size through any depth; for benchmarks and tests.

The network runs once on a few random pictures while its weights are drawn: every convolution and dense layer is scaled
and shifted to give mean 0 and variance 1 (He et al. 2015 measured instead of assumed: Mishkin & Matas 2015), and
every batch normalisation gets the statistics of what it reads. The same seed gives the same bytes on every machine:
the draws are sums of whole numbers from PCG64, measurements are float64 and keep eight significant bits.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from accelserve.models.architectures import probe
from accelserve.models.architectures.blueprint import Blueprint

Array = NDArray[np.float32]

_WORDS = 4  # 16-bit words in a 64-bit draw; their sum is bell-shaped
_WORD_MEAN = (2**16 - 1) / 2
_DRAW_DEVIATION = math.sqrt(_WORDS * (2**32 - 1) / 12)
_CHUNK = 1 << 22  # draws at once, to bound memory
_SIGNIFICANT_BITS = 8
_JITTER = np.float32(0.125)  # channels are not all alike, or a fold that mixes them up would go unseen
_LEAST_VARIANCE = 1e-4  # a channel that never moves is not blown up
LOGIT_DEVIATION = 2.0  # over the classes of a random classifier: neither flat nor certain


def random_weights(blueprint: Blueprint, seed: int = 0, *, pixel_scale: float = 1.0) -> dict[str, Array]:
    """Weights for every parameter of ``blueprint``, in the shapes of its ``state_dict``.

    Args:
        blueprint: the network.
        seed: not negative; another seed gives other weights.
        pixel_scale: standard deviation of a preprocessed pixel; ``Architecture.pixel_scale`` has it.
    """
    measured = _Measurement(blueprint, seed, pixel_scale)
    for node in blueprint.nodes:
        measured.visit(node)
    return {name: measured.weights[name] for name in blueprint.parameters}


class _Measurement:
    """Walks the nodes in order, fills what each reads and runs it."""

    def __init__(self, blueprint: Blueprint, seed: int, pixel_scale: float) -> None:
        self.weights: dict[str, Array] = {}
        self._blueprint = blueprint
        self._seed = seed
        self._logits = blueprint.outputs["logits"].name if "logits" in blueprint.outputs else None
        self._readers = Counter(name for node in blueprint.nodes for name in node.input)
        images = blueprint.images
        self._values = {images.name: probe.pictures(images.shape, pixel_scale, self._draw)}

    def visit(self, node: NodeProto) -> None:
        """Fill the parameters of ``node`` and run it, unless it only hands values on to an output."""
        operands = [self._values[name] for name in node.input if name in self._values]
        if node.op_type in {"Conv", "Gemm"}:
            result = self._weighted(node, operands[0])
        elif node.op_type == "BatchNormalization":
            result = self._normalised(node, operands[0])
        elif node.op_type == "Mul":
            result = self._scaled(node, operands[0])
        elif node.op_type in probe.RULES and len(operands) == len(set(node.input) - self._constants(node)):
            result = probe.RULES[node.op_type](node, operands)
        else:
            return
        self._values[node.output[0]] = result
        self._forget(node)

    @staticmethod
    def _constants(node: NodeProto) -> set[str]:
        return set(node.input[1:]) if node.op_type == "Clip" else set()

    def _forget(self, node: NodeProto) -> None:
        for name in node.input:
            self._readers[name] -= 1
            if self._readers[name] == 0:
                self._values.pop(name, None)

    def _weighted(self, node: NodeProto, x: probe.Array) -> probe.Array:
        name = node.input[1]
        weight = self._draw(name, self._blueprint.parameters[name].shape)
        y = probe.conv(node, x, weight) if node.op_type == "Conv" else probe.dense(x, weight)
        axes = (0, *range(2, y.ndim))
        biased = len(node.input) == 3
        # without a bias nothing can take the mean away, so it belongs to the size
        spread = y.var(axis=axes).mean() if biased else np.mean(y**2)
        aim = LOGIT_DEVIATION if node.output[0] == self._logits else 1.0
        factor = np.float32(_rounded(aim / math.sqrt(max(float(spread), 1e-30))))
        weight *= factor
        self.weights[name] = weight
        y *= np.float64(factor)
        if biased:
            bias = _rounded(-y.mean(axis=axes)).astype(np.float32)
            bias += _JITTER * self._draw(node.input[2], bias.shape)
            self.weights[node.input[2]] = bias
            y += probe.per_channel(bias, y)
        return y

    def _normalised(self, node: NodeProto, x: probe.Array) -> probe.Array:
        scale, shift, mean, variance = node.input[1:]
        shape = self._blueprint.parameters[scale].shape
        axes = (0, *range(2, x.ndim))
        gain = np.float32(self._blueprint.parameters[scale].value or 1.0)
        self.weights[scale] = gain * (np.float32(1) + _JITTER * self._draw(scale, shape))
        self.weights[shift] = gain * _JITTER * self._draw(shift, shape)
        self.weights[mean] = _rounded(x.mean(axis=axes)).astype(np.float32)
        self.weights[variance] = _rounded(np.maximum(x.var(axis=axes), _LEAST_VARIANCE)).astype(np.float32)
        factor = self.weights[scale] / np.sqrt(self.weights[variance].astype(np.float64))
        offset = self.weights[shift] - self.weights[mean] * factor
        return x * probe.per_channel(factor, x) + probe.per_channel(offset, x)

    def _scaled(self, node: NodeProto, x: probe.Array) -> probe.Array:
        parameter = self._blueprint.parameters[node.input[1]]
        if parameter.value is None:
            raise ValueError(f"'{node.input[1]}' has no value to start from")
        factor = np.full(parameter.shape, parameter.value, np.float32)
        self.weights[node.input[1]] = factor
        return x * probe.per_channel(factor, x)

    def _draw(self, name: str, shape: tuple[int, ...]) -> Array:
        """Bell-shaped numbers of mean 0 and variance 1, at most 3.5 in magnitude, that depend on seed and name only."""
        bits = np.random.PCG64(np.random.SeedSequence([self._seed, zlib.crc32(name.encode())]))
        count = math.prod(shape)
        result = np.empty(count, np.float32)
        for start in range(0, count, _CHUNK):
            stop = min(start + _CHUNK, count)
            words = bits.random_raw(stop - start).astype("<u8").view("<u2").reshape(-1, _WORDS)
            result[start:stop] = words.sum(axis=1, dtype=np.int32) - np.float32(_WORDS * _WORD_MEAN)
        result *= np.float32(1 / _DRAW_DEVIATION)
        return result.reshape(shape)


def _rounded(values: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Eight significant bits: what two machines' math libraries disagree about is far below."""
    fraction, exponent = np.frexp(values)
    return np.asarray(np.ldexp(np.round(np.ldexp(fraction, _SIGNIFICANT_BITS)), exponent - _SIGNIFICANT_BITS))
