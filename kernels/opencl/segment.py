"""A segment compiled for the engine: descriptors, packed weights, and where its inputs and outputs lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.ir import TensorType
from accelserve.kernels.opencl.storage import Border


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
class Layer:
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
    layers: tuple[Layer, ...]

    @property
    def memory_bytes(self) -> int:
        """Bytes on the device: weights, parameters, descriptors, and an arena for each of the two images in flight."""
        return self.weights.nbytes + self.parameters.nbytes + self.program.nbytes + 2 * self.arena_bytes

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image."""
        return sum(layer.macs for layer in self.layers)
