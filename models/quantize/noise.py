"""What quantization costs, layer by layer: signal to quantization noise against the float network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.ir import Array, Dequantize, Graph, Node, Quantize
from accelserve.kernels.reference.evaluator import evaluate
from accelserve.models.errors import CalibrationError
from accelserve.models.quantize.comparison import Comparison


@dataclass(frozen=True, slots=True)
class LayerNoise:
    """Noise at one quantized value, all noise from before it included.

    Attributes:
        name: the node that makes the value, or the input's name.
        operator: its operator, ``input`` for an input.
        sqnr_db: ``10 log10(sum of squares of the float value / sum of squares of the difference)``; infinite if
            there is no difference.
        cosine: between the float value and the quantized one, over all elements of all images.
    """

    name: str
    operator: str
    sqnr_db: float
    cosine: float


def measure_noise(
    float_graph: Graph, graph: Graph, batches: Iterable[NDArray[np.float32]]
) -> list[LayerNoise]:
    """Noise at every quantized value that both graphs have, and at the outputs, in graph order.

    Values are matched by name: what Quantize reads in the quantized graph, and its result through Dequantize.

    Args:
        float_graph: what was quantized, rewritten as it was for that (``simplify``).
        graph: with Quantize and Dequantize nodes, from our quantizer or another.
        batches: preprocessed images, float32 [N, H, W, C]; best others than those of calibration.

    Raises:
        CalibrationError: there is no image.
    """
    pairs = _compared(float_graph, graph)
    sums = {value: Comparison() for value in pairs}
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


def _layer(sums: Comparison, maker: Node | None, value: str) -> LayerNoise:
    if maker is None:
        return LayerNoise(value, "input", sums.sqnr_db, sums.cosine)
    return LayerNoise(maker.name, maker.op.label, sums.sqnr_db, sums.cosine)


def _compared(float_graph: Graph, graph: Graph) -> dict[str, str]:
    """Value of the float graph -> what stands for it in the quantized graph."""
    makers = graph.producers()
    stands_for: dict[str, str] = {}
    for node in graph:
        before = makers.get(node.inputs[0]) if isinstance(node.op, Dequantize) else None
        if before is not None and isinstance(before.op, Quantize):
            stands_for.setdefault(before.inputs[0], node.output)
    for public, value in float_graph.outputs.items():
        if public in graph.outputs:
            stands_for.setdefault(value, graph.outputs[public])
    values = [*float_graph.inputs, *(node.output for node in float_graph)]
    return {value: stands_for[value] for value in values if value in stands_for}


def _values(graph: Graph, name: str, image: NDArray[np.float32], wanted: set[str]) -> dict[str, Array]:
    kept: dict[str, Array] = {}

    def watch(node: Node, result: Array) -> None:
        if node.output in wanted:
            kept[node.output] = result

    if name in wanted:
        kept[name] = image[None]
    evaluate(graph, {name: image[None]}, watch, any_order=True)
    return kept
