"""A part of a graph, and what it is compiled to: descriptors, packed weights, and where its inputs and outputs lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.ir import Graph, TensorType


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a graph that one side runs without the other.

    Attributes:
        graph: its nodes; inputs and outputs are named by value.
        on_device: True for the engine, False for the host.
    """

    graph: Graph
    on_device: bool


@dataclass(frozen=True, slots=True)
class Border:
    """Cells of zero point stored around an input, so that a convolution's rows of taps are contiguous bytes."""

    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0
    value: int = 0


@dataclass(frozen=True, slots=True)
class Port:
    """Where an input or output of a segment lies in the arena.

    Attributes:
        value: its name.
        kind: its type, one image.
        offset: bytes from the arena's start.
        step: bytes between pixels.
        span_bytes: bytes from the first to the last one, those of neighbours between the pixels included.
        border: cells stored around an input.
    """

    value: str
    kind: TensorType
    offset: int
    step: int
    span_bytes: int
    border: Border


@dataclass(frozen=True, slots=True)
class LayerSpan:
    """One node as profiles and estimates show it; descriptors ``first`` to ``last - 1`` are its own."""

    name: str
    operator: str
    shape: tuple[int, ...]
    macs: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class CompiledSegment:
    """Everything the device needs to run a segment; arrays only, so it crosses to the device's process as it is.

    Attributes:
        program: records of ``descriptor.DESCRIPTOR``.
        weights: int8, whole taps of vec * lane bytes.
        parameters: int32 words.
        arena_bytes: activations of one image, slack included.
        inputs, outputs: the ports, in the graph's order.
        layers: what the descriptors do.
    """

    program: NDArray[np.void]
    weights: NDArray[np.int8]
    parameters: NDArray[np.int32]
    arena_bytes: int
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    layers: tuple[LayerSpan, ...]

    @property
    def memory_bytes(self) -> int:
        """Bytes on the device: weights, parameters, descriptors, and an arena for each of the two images in flight."""
        return self.weights.nbytes + self.parameters.nbytes + self.program.nbytes + 2 * self.arena_bytes

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image."""
        return sum(layer.macs for layer in self.layers)


def channels_of(kind: TensorType) -> int:
    """Elements of the last axis; 1 for a scalar."""
    return kind.shape[-1] if kind.shape else 1


def bordered_shape(shape: tuple[int, ...], border: Border) -> tuple[int, ...]:
    """Shape of an NHWC input with its border; any other input has none and keeps its shape."""
    if border == Border():
        return shape
    n, h, w, c = shape
    return (n, h + border.top + border.bottom, w + border.left + border.right, c)
