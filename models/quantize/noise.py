"""What quantisation costs, layer by layer: signal to quantisation noise against the float network."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.devices.reference import evaluate
from accelserve.kernels.ir import Array, Graph, Node
from accelserve.models.errors import CalibrationError
from accelserve.models.quantize.insertion import dequantized_name
from accelserve.models.quantize.quantizer import Quantized


@dataclass(frozen=True, slots=True)
class LayerNoise:
    """Noise at one quantised value, all noise from before it included.

    Attributes:
        name: the node that makes the value, or the input's name.
        operator: its operator, ``input`` for an input.
        sqnr_db: ``10 log10(sum of squares of the float value / sum of squares of the difference)``; infinite if
            there is no difference.
        cosine: between the float value and the quantised one, over all elements of all images.
    """

    name: str
    operator: str
    sqnr_db: float
    cosine: float


@dataclass(slots=True)
class _Sums:
    signal: float = 0.0
    noise: float = 0.0
    product: float = 0.0
    quantized: float = 0.0

    def add(self, expected: NDArray[np.float64], found: NDArray[np.float64]) -> None:
        self.signal += float(np.vdot(expected, expected))
        self.noise += float(np.vdot(found - expected, found - expected))
        self.product += float(np.vdot(expected, found))
        self.quantized += float(np.vdot(found, found))

    def layer(self, name: str, operator: str) -> LayerNoise:
        tiny = float(np.finfo(np.float64).tiny)
        ratio = self.signal / self.noise if self.noise > 0 else math.inf
        cosine = self.product / math.sqrt(max(self.signal * self.quantized, tiny))
        sqnr = math.inf if math.isinf(ratio) else 10 * math.log10(max(ratio, tiny))
        return LayerNoise(name, operator, sqnr, cosine)


def measure_noise(quantized: Quantized, batches: Iterable[NDArray[np.float32]]) -> list[LayerNoise]:
    """Noise at every quantised value and at the outputs, in graph order.

    Args:
        quantized: what ``quantize`` gave.
        batches: preprocessed images, float32 [N, H, W, C]; best others than those of calibration.

    Raises:
        CalibrationError: there is no image.
    """
    float_graph, graph = quantized.simplified, quantized.graph
    pairs = _compared(float_graph, graph)
    sums = {value: _Sums() for value in pairs}
    (name,) = graph.inputs
    seen = 0
    for batch in batches:
        for image in batch:
            expected = _values(float_graph, name, image, set(pairs))
            found = _values(graph, name, image, set(pairs.values()))
            for value, other in pairs.items():
                sums[value].add(expected[value], found[other])
            seen += 1
    if not seen:
        raise CalibrationError("there is no image to measure noise on")
    makers = float_graph.producers()
    return [_layer(sums[value], makers.get(value), value) for value in pairs]


def _layer(sums: _Sums, maker: Node | None, value: str) -> LayerNoise:
    if maker is None:
        return sums.layer(value, "input")
    return sums.layer(maker.name, maker.op.label)


def _compared(float_graph: Graph, graph: Graph) -> dict[str, str]:
    """Value of the float graph -> what stands for it in the quantised graph."""
    made = {node.output for node in graph}
    values = [*float_graph.inputs, *(node.output for node in float_graph)]
    pairs = {value: dequantized_name(value) for value in values if dequantized_name(value) in made}
    for public, value in float_graph.outputs.items():
        pairs.setdefault(value, graph.outputs[public])
    return pairs


def _values(
    graph: Graph, name: str, image: NDArray[np.float32], wanted: set[str]
) -> dict[str, NDArray[np.float64]]:
    kept: dict[str, NDArray[np.float64]] = {}

    def watch(node: Node, result: Array) -> None:
        if node.output in wanted:
            kept[node.output] = result.astype(np.float64)

    if name in wanted:
        kept[name] = image[None].astype(np.float64)
    evaluate(graph, {name: image[None]}, watch)
    return kept
