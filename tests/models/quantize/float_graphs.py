"""Small float graphs for tests, one operator after another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.ir import (
    Array,
    ChannelAffine,
    Clip,
    Conv2d,
    Dense,
    DType,
    Graph,
    Node,
    Op,
    TensorType,
    Window,
)
from accelserve.kernels.reference.evaluator import evaluate

Floats = NDArray[np.float32]


def floats(*shape: int, seed: int = 0) -> Floats:
    """Standard normal numbers."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


class Chain:
    """Appends nodes to a graph; ``last`` is the value that the next one reads."""

    def __init__(self, *shape: int) -> None:
        self._inputs = {"x": TensorType(shape, DType.F32)}
        self._nodes: list[Node] = []
        self._constants: dict[str, Array] = {}
        self.last = "x"

    def then(self, op: Op, *others: str | Floats, reading: str | None = None, name: str | None = None) -> str:
        """Append an operator on the last value (or on ``reading``) and other values or constants."""
        name = name or f"{op.label.lower()}{len(self._nodes)}"
        operands = [self.last if reading is None else reading]
        for position, other in enumerate(others):
            if isinstance(other, str):
                operands.append(other)
            else:
                self._constants[f"{name}.{position}"] = other
                operands.append(f"{name}.{position}")
        self._nodes.append(Node(name, op, tuple(operands), name))
        self.last = name
        return name

    def conv(
        self,
        outputs: int,
        kernel: int = 1,
        *,
        padding: int = 0,
        stride: int = 1,
        groups: int = 1,
        reading: str | None = None,
    ) -> str:
        """A convolution with seeded weights and bias."""
        channels = self.graph(reading or self.last).type_of(reading or self.last).shape[-1]
        window = Window(kernel=(kernel, kernel), padding=(padding,) * 4, strides=(stride, stride))
        weights = floats(outputs, kernel, kernel, channels // groups, seed=len(self._nodes))
        weights /= np.float32(np.sqrt(kernel * kernel * channels // groups))
        return self.then(
            Conv2d(window, groups), weights, floats(outputs, seed=99) * np.float32(0.1), reading=reading
        )

    def dense(self, outputs: int) -> str:
        """A dense layer with seeded weights and bias."""
        features = self.graph(self.last).type_of(self.last).shape[-1]
        weights = floats(outputs, features, seed=len(self._nodes)) / np.float32(np.sqrt(features))
        return self.then(Dense(), weights, floats(outputs, seed=98) * np.float32(0.1))

    def relu(self) -> str:
        """max(x, 0)."""
        return self.then(Clip())

    def affine(self, seed: int = 5) -> str:
        """A scale and shift per channel."""
        channels = self.graph(self.last).type_of(self.last).shape[-1]
        return self.then(ChannelAffine(), floats(channels, seed=seed), floats(channels, seed=seed + 1))

    def graph(self, *outputs: str) -> Graph:
        """The graph so far; its outputs are the last value or those named."""
        return Graph(
            self._inputs, tuple(self._nodes), self._constants, {v: v for v in outputs or (self.last,)}
        )


def labels(graph: Graph) -> list[str]:
    """Operators in order."""
    return [node.op.label for node in graph]


def assert_same_results(a: Graph, b: Graph, tolerance: float = 1e-5) -> None:
    """Both compute the same from random images, up to rounding."""
    image = floats(*a.inputs["x"].shape, seed=42)
    found, expected = evaluate(b, {"x": image}), evaluate(a, {"x": image})
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=tolerance, atol=tolerance)


def with_outputs(graph: Graph, *values: str) -> Graph:
    """The graph with further public outputs."""
    return replace(graph, outputs={**graph.outputs, **{v: v for v in values}}, _types={})
