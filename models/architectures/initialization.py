"""Seeded random weights whose activations keep their size through any depth; for benchmarks and tests.

The network runs once on a few random pictures while its weights are drawn: every convolution and dense layer is scaled
and shifted to give mean 0 and variance 1 (He et al. 2015 measured instead of assumed: Mishkin & Matas 2015), and
every batch normalization gets the statistics of what it reads. The same seed gives the same bytes on every machine:
the draws are sums of whole numbers from PCG64, measurements are float64 and keep eight significant bits (two math
libraries differ in the last of 53).
"""

from __future__ import annotations

import math
import zlib
from collections import Counter
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.ir import Conv2d, Dense, Graph, Mul, Node
from accelserve.kernels.reference.operators import EVALUATORS, convolve
from accelserve.models.architectures.batch_norm import BatchNorm
from accelserve.models.architectures.blueprint import IMAGES, Blueprint
from accelserve.models.architectures.random_pictures import random_pictures

Array = NDArray[np.float32]
Doubles = NDArray[np.float64]

_WORDS = 4  # 16-bit words in a 64-bit draw; their sum is bell-shaped
_WORD_MEAN = (2**16 - 1) / 2
_DRAW_DEVIATION = math.sqrt(_WORDS * (2**32 - 1) / 12)
_EVEN_WORDS = np.uint64(0x0000_FFFF_0000_FFFF)
_CHUNK = 1 << 15  # draws at once, which stay in a processor's cache
_ROWS_AT_ONCE = 256  # of a dense layer's weight, to bound the float64 copy
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
    for node in _up_to_last_parameter(blueprint):
        measured.visit(node)
    return {name: measured.weights[name] for name in blueprint.parameters}


def _up_to_last_parameter(blueprint: Blueprint) -> Graph:
    """The graph without what only hands values on to an output."""
    graph = blueprint.graph
    readers = [node.output for node in graph if not blueprint.parameters.keys().isdisjoint(node.inputs)]
    return replace(graph, outputs={value: value for value in readers}, _types={}).with_nodes(graph.nodes)


class _Measurement:
    """Walks the nodes in order, fills what each reads and runs it."""

    def __init__(self, blueprint: Blueprint, seed: int, pixel_scale: float) -> None:
        self.weights: dict[str, Array] = {}
        self._parameters = blueprint.parameters
        self._seed = seed
        self._logits = blueprint.graph.outputs.get("logits")
        self._readers = Counter(name for node in _up_to_last_parameter(blueprint) for name in node.inputs)
        pictures = random_pictures(blueprint.images.shape[1:], pixel_scale, self._draw)
        self._values: dict[str, Doubles] = {IMAGES: pictures}

    def visit(self, node: Node) -> None:
        """Fill the parameters of ``node`` and run it."""
        x = self._values[node.inputs[0]]
        match node.op:
            case Conv2d() | Dense():
                result = self._weighted(node, x)
            case BatchNorm():
                result = self._normalized(node, x)
            case Mul():
                result = self._scaled(node, x)
            case _:
                result = self._computed(node)
        self._values[node.output] = result
        self._forget(node)

    def _computed(self, node: Node) -> Doubles:
        """By the reference, image by image, in float64: a graph is of one."""
        operands = [self._values[name] for name in node.inputs]
        evaluate = EVALUATORS[type(node.op)]
        images = [evaluate(node.op, [x[i : i + 1] for x in operands]) for i in range(len(operands[0]))]
        return np.concatenate(images).astype(np.float64, copy=False)

    def _forget(self, node: Node) -> None:
        for name in node.inputs:
            self._readers[name] -= 1
            if self._readers[name] == 0:
                self._values.pop(name, None)

    def _weighted(self, node: Node, x: Doubles) -> Doubles:
        name, *bias_names = node.inputs[1:]
        parameter = self._parameters[name]
        weight = self._draw(name, parameter.shape)
        y = _product(node, x, parameter.stored(weight))
        axes = tuple(range(y.ndim - 1))
        # without a bias nothing can take the mean away, so it belongs to the size
        spread = y.var(axis=axes).mean() if bias_names else np.mean(y**2)
        aim = LOGIT_DEVIATION if node.output == self._logits else 1.0
        factor = np.float32(_rounded(aim / math.sqrt(max(float(spread), 1e-30))))
        weight *= factor
        self.weights[name] = weight
        y *= np.float64(factor)
        for bias_name in bias_names:
            bias = _rounded(-y.mean(axis=axes)).astype(np.float32)
            bias += _JITTER * self._draw(bias_name, bias.shape)
            self.weights[bias_name] = bias
            y += bias
        return y

    def _normalized(self, node: Node, x: Doubles) -> Doubles:
        scale, shift, mean, variance = node.inputs[1:]
        shape = self._parameters[scale].shape
        axes = tuple(range(x.ndim - 1))
        gain = np.float32(self._parameters[scale].value or 1.0)
        self.weights[scale] = gain * (np.float32(1) + _JITTER * self._draw(scale, shape))
        self.weights[shift] = gain * _JITTER * self._draw(shift, shape)
        self.weights[mean] = _rounded(x.mean(axis=axes)).astype(np.float32)
        self.weights[variance] = _rounded(np.maximum(x.var(axis=axes), _LEAST_VARIANCE)).astype(np.float32)
        factor = self.weights[scale] / np.sqrt(self.weights[variance].astype(np.float64))
        offset = self.weights[shift] - self.weights[mean] * factor
        return x * factor + offset

    def _scaled(self, node: Node, x: Doubles) -> Doubles:
        name = node.inputs[1]
        parameter = self._parameters[name]
        if parameter.value is None:
            raise ValueError(f"'{name}' has no value to start from")
        self.weights[name] = np.full(parameter.shape, parameter.value, np.float32)
        return x * np.float64(parameter.value)

    def _draw(self, name: str, shape: tuple[int, ...]) -> Array:
        """Bell-shaped numbers of mean 0 and variance 1, at most 3.5 in magnitude, that depend on seed and name only."""
        bits = np.random.PCG64(np.random.SeedSequence([self._seed, zlib.crc32(name.encode())]))
        count = math.prod(shape)
        result = np.empty(count, np.float32)
        for start in range(0, count, _CHUNK):
            stop = min(start + _CHUNK, count)
            draws = bits.random_raw(stop - start)
            pairs = (draws & _EVEN_WORDS) + (draws >> np.uint64(16) & _EVEN_WORDS)
            sums = (pairs + (pairs >> np.uint64(32))).astype(np.uint32)  # the upper half falls away
            result[start:stop] = sums.astype(np.float32) - np.float32(_WORDS * _WORD_MEAN)
        result *= np.float32(1 / _DRAW_DEVIATION)
        return result.reshape(shape)


def _product(node: Node, x: Doubles, weight: Array) -> Doubles:
    """A convolution or a dense layer without its bias."""
    if isinstance(node.op, Conv2d):
        window, groups = node.op.window, node.op.groups
        images = [convolve(image[None], weight.astype(np.float64), window, groups, 0.0) for image in x]
        return np.concatenate(images)
    starts = range(0, len(weight), _ROWS_AT_ONCE)
    parts = [x @ weight[start : start + _ROWS_AT_ONCE].T.astype(np.float64) for start in starts]
    return np.concatenate(parts, axis=1)


def _rounded(values: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Eight significant bits: what two machines' math libraries disagree about is far below."""
    fraction, exponent = np.frexp(values)
    return np.asarray(np.ldexp(np.round(np.ldexp(fraction, _SIGNIFICANT_BITS)), exponent - _SIGNIFICANT_BITS))
