"""Builds small quantized networks in the intermediate representation, as importers make them."""

from __future__ import annotations

import numpy as np

from accelserve.kernels import ir
from accelserve.kernels.ir import Array, Graph, Node, Op, TensorType


class NetworkBuilder:
    """Adds nodes one by one; every method returns the name of the value it made."""

    def __init__(self, input_shape: tuple[int, ...], seed: int = 0) -> None:
        self.inputs = {"images": TensorType(input_shape, ir.DType.F32)}
        self.nodes: list[Node] = []
        self.constants: dict[str, Array] = {}
        self.rng = np.random.default_rng(seed)

    def constant(self, array: Array) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = array
        return name

    def add(self, op: Op, *inputs: str, name: str | None = None) -> str:
        name = name or f"{op.label}_{len(self.nodes)}"
        self.nodes.append(Node(name, op, inputs, f"{name}:0"))
        return f"{name}:0"

    def quantize(self, value: str, scale: float, zero_point: int, dtype: str = "uint8") -> str:
        """A Quantize and its Dequantize."""
        scale_name = self.constant(np.array(scale, np.float32))
        zero_name = self.constant(np.array(zero_point, dtype))
        stored = self.add(ir.Quantize(), value, scale_name, zero_name)
        return self.add(ir.Dequantize(), stored, scale_name, zero_name)

    def weights(self, shape: tuple[int, ...]) -> str:
        """int8 weights, one scale an output channel."""
        stored = self.constant(self.rng.integers(-127, 128, shape).astype(np.int8))
        scale = self.constant(self.rng.uniform(0.001, 0.01, shape[0]).astype(np.float32))
        zero = self.constant(np.zeros(shape[0], np.int8))
        return self.add(ir.Dequantize(axis=0), stored, scale, zero)

    def conv(
        self,
        value: str,
        outputs: int,
        channels: int,
        kernel: int = 3,
        groups: int = 1,
        shift: float = 0.0,
        **window: object,
    ) -> str:
        """A convolution with 'same' padding unless ``window`` says otherwise; ``shift`` is added to every bias."""
        half = kernel // 2
        settings = {"kernel": (kernel, kernel), "padding": (half, half, half, half), **window}
        weights = self.weights((outputs, kernel, kernel, channels // groups))
        bias = self.constant(self.rng.normal(shift, 1, outputs).astype(np.float32))
        op = ir.Conv2d(ir.Window(**settings), groups)  # type: ignore[arg-type]
        return self.add(op, value, weights, bias, name=f"conv{len(self.nodes)}")

    def graph(self, **outputs: str) -> Graph:
        return Graph(self.inputs, tuple(self.nodes), self.constants, outputs)
