"""The whole way from a float graph and images to a quantized graph."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.ir import Conv2d, Dense, Graph
from accelserve.models.errors import CalibrationError
from accelserve.models.quantize.calibration import Progress, observe, parameters
from accelserve.models.quantize.insertion import insert
from accelserve.models.quantize.placement import place
from accelserve.models.quantize.ranges import METHODS
from accelserve.models.quantize.simplify import simplify

ROUNDINGS = ("compensated", "nearest")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeOptions:
    """How a network is quantized.

    Attributes:
        method: how ranges are picked: a key of ``METHODS``.
        keep_float: names of nodes that stay float32; ``first`` and ``last`` stand for the first and last convolution or
            dense layer.
        float_outputs: whether the last layer's result stays float32.
        correct_biases: whether biases take back what rounding the weights shifts the layers' means by.
        rounding: of weights: ``nearest`` each by itself, ``compensated`` so that they make up for each other on what
            calibration saw (``compensated_rounding``; layers that ``InputMoments`` knows too little of are rounded to nearest).
    """

    method: str = "mse"
    keep_float: frozenset[str] = frozenset()
    float_outputs: bool = True
    correct_biases: bool = True
    rounding: str = "compensated"

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise CalibrationError(f"method {self.method!r} is none of {', '.join(METHODS)}")
        if self.rounding not in ROUNDINGS:
            raise CalibrationError(f"rounding {self.rounding!r} is none of {', '.join(ROUNDINGS)}")


@dataclass(frozen=True, slots=True)
class Quantized:
    """A quantized network.

    Attributes:
        simplified: the float graph that was quantized, rewritten; value names are those of ``graph``.
        graph: the same with Quantize and Dequantize nodes.
        images: how many images it was calibrated on.
    """

    simplified: Graph
    graph: Graph
    images: int


def quantize(
    graph: Graph,
    batches: Iterable[NDArray[np.float32]],
    options: QuantizeOptions | None = None,
    progress: Progress | None = None,
) -> Quantized:
    """Quantize a float graph after training.

    Args:
        graph: float operators, one input.
        batches: preprocessed calibration images, float32 [N, H, W, C]; taken one at a time.
        options: method and exceptions.
        progress: called with the number of images seen so far.

    Raises:
        CalibrationError: no image, a wrong shape, an activation that is not finite, or a node to keep that is not there.
    """
    options = options or QuantizeOptions()
    simplified = simplify(graph)
    keep = _nodes_to_keep(simplified, options.keep_float)
    placement = place(simplified, keep_float=keep, float_outputs=options.float_outputs)
    compensates = options.rounding == "compensated"
    watched = placement.layers if compensates else frozenset()
    observed = observe(simplified, placement.group_of, batches, progress, watched)
    params = parameters(placement, observed.histograms, options.method)
    means = observed.means if options.correct_biases else None
    return Quantized(
        simplified, insert(simplified, placement, params, means, observed.moments), observed.images
    )


def _nodes_to_keep(graph: Graph, wanted: frozenset[str]) -> frozenset[str]:
    names = {node.name for node in graph}
    layers = [node.name for node in graph if isinstance(node.op, Conv2d | Dense)]
    ends = {"first": layers[0], "last": layers[-1]} if layers else {}
    keep = {name if name in names else ends.get(name, name) for name in wanted}
    if unknown := keep - names:
        raise CalibrationError(f"no node to keep in float32 is named {', '.join(sorted(unknown))}")
    return frozenset(keep)
