"""Builds graphs of integer operators, as the compiler lowers them, with random constants."""

from __future__ import annotations

import numpy as np

from accelserve.kernels import ir
from accelserve.kernels.ir import Array, Epilogue, Graph, Intermediate, Node, Op, Residual, TensorType, Window

U8 = ir.DType.U8


class IntegerGraphBuilder:
    """Adds nodes one by one; every method returns the name of the value it made.

    Names carry ``prefix``, so that graphs of several builders can be joined.
    """

    def __init__(self, seed: int, prefix: str = "") -> None:
        self.rng = np.random.default_rng(seed)
        self.prefix = prefix
        self.inputs: dict[str, TensorType] = {}
        self.feeds: dict[str, Array] = {}
        self.nodes: list[Node] = []
        self.constants: dict[str, Array] = {}
        self.types: dict[str, TensorType] = {}

    def input(self, *shape: int, values: Array | None = None) -> str:
        """A uint8 input [1, ...] and what the test feeds it."""
        name = f"{self.prefix}in{len(self.inputs)}"
        self.inputs[name] = self.types[name] = TensorType((1, *shape), U8)
        fed = self.rng.integers(0, 256, (1, *shape)) if values is None else values
        self.feeds[name] = np.asarray(fed).reshape(1, *shape).astype(np.uint8)
        return name

    def constant(self, array: Array) -> str:
        name = f"{self.prefix}k{len(self.constants)}"
        self.constants[name] = array
        self.types[name] = TensorType(tuple(array.shape), ir.DType.of(array))
        return name

    def add(self, op: Op, *inputs: str) -> str:
        name = f"{self.prefix}{op.label}{len(self.nodes)}"
        self.nodes.append(Node(name, op, inputs, f"{name}:0"))
        self.types[f"{name}:0"] = op.infer(tuple(self.types[i] for i in inputs))
        return f"{name}:0"

    def shape(self, value: str) -> tuple[int, ...]:
        return self.types[value].shape

    def conv(
        self,
        x: str,
        outputs: int,
        kernel: int | tuple[int, int] = 1,
        *,
        stride: int | tuple[int, int] = 1,
        padding: tuple[int, int, int, int] | int = 0,
        dilation: tuple[int, int] | int = 1,
        groups: int = 1,
        input_zero_point: int = 3,
        zero_point: int = 7,
        low: int = 0,
        high: int = 255,
        residual: str | None = None,
        intermediate: bool = False,
        float_result: bool = False,
        gain: float = 1.0,
        bias: Array | None = None,
    ) -> str:
        """A convolution whose results spread over the whole range, or saturate if ``gain`` is large."""
        taps = (kernel, kernel) if isinstance(kernel, int) else kernel
        window = Window(
            kernel=taps,
            strides=(stride, stride) if isinstance(stride, int) else stride,
            padding=(padding,) * 4 if isinstance(padding, int) else padding,
            dilations=(dilation, dilation) if isinstance(dilation, int) else dilation,
        )
        per_group = self.shape(x)[3] // groups
        weights = self.rng.integers(-127, 128, (outputs, *taps, per_group)).astype(np.int8)
        if bias is None:
            drawn = self.rng.integers(-3000, 3000, outputs)
            bias = (drawn - input_zero_point * weights.sum((1, 2, 3), dtype=np.int64)).astype(np.int32)
        spread = 73.0 * 110.0 * np.sqrt(weights[0].size)
        scale = (self.rng.uniform(0.5, 1.5, outputs) * 60.0 * gain / spread).astype(np.float32)
        epilogue = Epilogue(
            zero_point=zero_point,
            low=low,
            high=high,
            residual=Residual(zero_point=9, multiplier=float(np.float32(0.37))) if residual else None,
            intermediate=Intermediate(low=-100, high=100, multiplier=float(np.float32(0.77)))
            if intermediate
            else None,
        )
        op = ir.QConv2d(window, groups, input_zero_point, None if float_result else epilogue)
        operands = [x, self.constant(weights), self.constant(bias), self.constant(scale)]
        return self.add(op, *operands, *([residual] if residual else []))

    def qadd(self, a: str, b: str) -> str:
        first = Residual(zero_point=12, multiplier=float(np.float32(0.61)))
        second = Residual(zero_point=0, multiplier=float(np.float32(0.43)))
        return self.add(ir.QAdd(first, second, 17, 5, 250), a, b)

    def affine(self, x: str, *, low: int = 0) -> str:
        channels = self.shape(x)[-1]
        mul = self.rng.uniform(-1.5, 1.5, channels).astype(np.float32)
        add = self.rng.uniform(-40, 40, channels).astype(np.float32)
        return self.add(ir.QChannelAffine(90, 30, low, 255), x, self.constant(mul), self.constant(add))

    def l2_normalize(self, x: str, *, low: int = 0) -> str:
        channels = self.shape(x)[-1]
        mul = self.rng.uniform(-80, 80, channels).astype(np.float32) * np.float32(np.sqrt(channels))
        add = self.rng.uniform(-5, 5, channels).astype(np.float32)
        op = ir.QL2Normalize(90, 1e-10, 120, low, 255)
        return self.add(op, x, self.constant(mul), self.constant(add))

    def lookup(self, x: str) -> str:
        return self.add(ir.QLookup(), x, self.constant(self.rng.permutation(256).astype(np.uint8)))

    def average(
        self,
        x: str,
        kernel: tuple[int, int],
        *,
        stride: int = 1,
        padding: int = 0,
        count_padding: bool = False,
    ) -> str:
        window = Window(kernel=kernel, strides=(stride, stride), padding=(padding,) * 4)
        cells = kernel[0] * kernel[1]
        divisors = np.full(cells + 1, cells) if count_padding else np.arange(cells + 1)
        multiplier = np.zeros(cells + 1, np.float32)
        multiplier[1:] = 1.17 / divisors[1:]
        return self.add(ir.QAveragePool(window, 10, 4), x, self.constant(multiplier))

    def maximum(self, x: str, kernel: int, *, stride: int = 1, padding: int = 0, dilation: int = 1) -> str:
        window = Window(
            kernel=(kernel, kernel),
            strides=(stride, stride),
            padding=(padding,) * 4,
            dilations=(dilation, dilation),
        )
        return self.add(ir.MaxPool(window), x)

    def concat(self, axis: int, *values: str) -> str:
        return self.add(ir.Concat(axis), *values)

    def graph(self, **outputs: str) -> Graph:
        return Graph(self.inputs, tuple(self.nodes), self.constants, outputs)
