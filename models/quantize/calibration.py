"""Activation ranges from images: the float network runs, histograms watch, a method picks the ranges."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.ir import Array, Conv2d, Dense, Graph, Node, QuantParams
from accelserve.kernels.reference.evaluator import evaluate
from accelserve.models.errors import CalibrationError
from accelserve.models.quantize.histogram import Histogram
from accelserve.models.quantize.input_moments import InputMoments, has_moments
from accelserve.models.quantize.placement import Placement
from accelserve.models.quantize.ranges import METHODS, Range

Floats = NDArray[np.float32]
Progress = Callable[[int], None]
"""Called with the number of images seen so far."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What the float network's values are like.

    Attributes:
        histograms: value -> distribution of all its elements.
        means: value -> mean of every channel (the last axis), float64 [C].
        images: how many were seen.
        moments: layer -> what its weights multiply, of the layers asked for that are small enough.
    """

    histograms: Mapping[str, Histogram]
    means: Mapping[str, NDArray[np.float64]]
    images: int
    moments: Mapping[str, InputMoments] = field(default_factory=dict)


def observe(
    graph: Graph,
    values: Iterable[str],
    batches: Iterable[Floats],
    progress: Progress | None = None,
    layers: frozenset[str] = frozenset(),
) -> Observed:
    """Distributions and means of some values over all images.

    Args:
        graph: float, with one input.
        values: names of activations or of the input.
        batches: float32 [N, ...] in the input's shape, N 1 or more.
        progress: called after every image.
        layers: names of convolutions and dense layers whose inputs' moments are wanted; each reads one of the values.

    Raises:
        CalibrationError: no image at all, a wrong shape, or an activation that is not finite.
    """
    (name, kind), *others = graph.inputs.items()
    if others:
        raise CalibrationError(f"calibration feeds one input; this network has {len(others) + 1}")
    observers = {value: _Observer() for value in values}
    moments = _watched_moments(graph, layers, observers)
    count = 0
    for batch in batches:
        if batch.shape[1:] != kind.shape[1:]:
            raise CalibrationError(
                f"images of shape {list(batch.shape[1:])} for an input of {list(kind.shape[1:])}"
            )
        for image in batch.astype(np.float32, copy=False):
            _observe_one(graph, {name: image[None]}, observers)
            count += 1
            if progress is not None:
                progress(count)
    if not count:
        raise CalibrationError("there is no image to calibrate on")
    histograms = {value: observer.histogram for value, observer in observers.items()}
    return Observed(histograms, {value: o.sums / count for value, o in observers.items()}, count, moments)


def _watched_moments(
    graph: Graph, layers: frozenset[str], observers: Mapping[str, _Observer]
) -> dict[str, InputMoments]:
    """Layer -> moments, which the observer of the layer's input fills."""
    moments = {}
    for node in graph:
        if node.name in layers and isinstance(node.op, Conv2d | Dense):
            weights = graph.type_of(node.inputs[1])
            if has_moments(weights):
                moments[node.name] = InputMoments(node.op, weights)
                observers[node.inputs[0]].readers.append(moments[node.name])
    return moments


class _Observer:
    """Histogram of a value, and the sum of its channels' means, one an image; moments for the layers that read it."""

    def __init__(self) -> None:
        self.histogram = Histogram()
        self.sums: NDArray[np.float64] = np.zeros(())
        self.readers: list[InputMoments] = []

    def add(self, array: Floats) -> None:
        """One image's value; ValueError if an element is not finite."""
        self.histogram.add(array)
        self.sums = self.sums + array.reshape(-1, array.shape[-1]).mean(axis=0, dtype=np.float64)
        for reader in self.readers:
            reader.add(array)


def _observe_one(graph: Graph, feeds: Mapping[str, Array], observers: Mapping[str, _Observer]) -> None:
    def note(value: str, array: Array) -> None:
        if value in observers:
            try:
                observers[value].add(np.asarray(array, np.float32))
            except ValueError as error:
                raise CalibrationError(_not_finite(value)) from error

    for name, array in feeds.items():
        note(name, array)

    outputs = frozenset(graph.outputs.values()) - observers.keys()

    def watch(node: Node, result: Array) -> None:
        note(node.output, result)
        if node.output in outputs and not np.isfinite(result).all():
            raise CalibrationError(_not_finite(node.output))

    # Overflow is told by what overflowed; numpy's warnings would name its own source.
    with np.errstate(all="ignore"):
        evaluate(graph, feeds, watch, any_order=True)


def _not_finite(value: str) -> str:
    return f"'{value}' is not finite on a calibration image; the network or its preprocessing is wrong"


def parameters(
    placement: Placement, histograms: Mapping[str, Histogram], method: str
) -> dict[str, QuantParams]:
    """Value -> parameters; values of a group share those of their common range.

    Args:
        placement: what is quantized.
        histograms: of every quantized value.
        method: a key of ``METHODS``.
    """
    result: dict[str, QuantParams] = {}
    for members in placement.groups().values():
        ranges = [METHODS[method](histograms[value]) for value in members]
        shared = params_of((min(low for low, _ in ranges), max(high for _, high in ranges)))
        result.update(dict.fromkeys(members, shared))
    return result


def params_of(extent: Range) -> QuantParams:
    """uint8 parameters that cover a range; real zero is a code, and code 0 where nothing is negative."""
    low, high = min(extent[0], 0.0), max(extent[1], 0.0)
    scale = float(np.float32((high - low) / 255))
    # Nothing but zeros was seen, or less than float32 can divide by.
    if scale < np.finfo(np.float32).tiny:
        return QuantParams(1.0, 0)
    return QuantParams(scale, int(np.clip(np.rint(-low / scale), 0, 255)))
