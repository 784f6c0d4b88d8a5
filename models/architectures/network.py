"""Writes a network down layer by layer; every architecture is a function that calls this.

Layers that have weights take their name from the ``state_dict``: ``conv(x, "layer1.0.conv1", ...)`` reads
``layer1.0.conv1.weight``. Shapes are worked out as the layers are added, so weights know theirs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from accelserve.kernels.errors import ShapeMismatchError
from accelserve.kernels.ir import (
    Add,
    AveragePool,
    Clip,
    Concat,
    Conv2d,
    Dense,
    DType,
    Graph,
    L2Normalize,
    MaxPool,
    Mul,
    Node,
    Op,
    Padding,
    Pair,
    Reshape,
    Softmax,
    TensorType,
    Transpose,
    Window,
)
from accelserve.models.architectures.batch_norm import BatchNorm
from accelserve.models.architectures.blueprint import IMAGES, Blueprint, Parameter, Role, Shape
from accelserve.models.importing.windows import ceil_padding, widened


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor between layers.

    Attributes:
        name: its name in the graph.
        shape: without the batch: (rows, columns, channels), or whatever a head reshapes to.
    """

    name: str
    shape: Shape

    @property
    def channels(self) -> int:
        """Size of the last axis."""
        return self.shape[-1]

    @property
    def size(self) -> Pair:
        """Rows and columns of an image."""
        rows, columns, _ = self.shape
        return rows, columns


class Network:
    """A network being written down.

    Attributes:
        images: the input value, (rows, columns, channels).
    """

    def __init__(self, name: str, image_shape: Shape) -> None:
        self.name = name
        self.images = Value(IMAGES, image_shape)
        self._types = {IMAGES: TensorType((1, *image_shape), DType.F32)}
        self._nodes: list[Node] = []
        self._parameters: dict[str, Parameter] = {}
        self._outputs: dict[str, str] = {}

    def blueprint(self) -> Blueprint:
        """What has been written so far."""
        inputs = {name: self._types[name] for name in (IMAGES, *self._parameters)}
        graph = Graph(inputs, tuple(self._nodes), {}, self._outputs)
        return Blueprint(name=self.name, graph=graph, parameters=dict(self._parameters))

    def output(self, name: str, value: Value) -> None:
        """Let the network answer with ``value`` under a public name."""
        if name in self._outputs or value.name in self._outputs.values():
            raise ValueError(f"{self.name}: output '{name}' or its value '{value.name}' is an output already")
        self._outputs[name] = value.name

    def conv(
        self,
        x: Value,
        name: str,
        channels: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: int | Padding = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = False,
    ) -> Value:
        """A square convolution; ``padding`` is in cells on every side, or per side."""
        shape = (channels, x.channels // groups, kernel, kernel)
        operands = [x.name, self._parameter(f"{name}.weight", shape, Role.WEIGHT)]
        if bias:
            operands.append(self._parameter(f"{name}.bias", (channels,), Role.BIAS))
        window = Window(
            kernel=(kernel, kernel),
            strides=(stride, stride),
            padding=_pads(padding),
            dilations=(dilation, dilation),
        )
        return self._node(Conv2d(window, groups), name, *operands)

    def batch_norm(self, x: Value, name: str, *, epsilon: float = 1e-5, gain: float = 1.0) -> Value:
        """Batch normalization with running statistics; random weights scale its result by about ``gain``."""
        roles = {
            "weight": Role.NORM_SCALE,
            "bias": Role.NORM_SHIFT,
            "running_mean": Role.RUNNING_MEAN,
            "running_var": Role.RUNNING_VARIANCE,
        }
        vectors = [
            self._parameter(f"{name}.{suffix}", (x.channels,), role, value=gain)
            for suffix, role in roles.items()
        ]
        return self._node(BatchNorm(epsilon), name, x.name, *vectors)

    def dense(self, x: Value, name: str, features: int) -> Value:
        """A fully connected layer on a flat value, with a bias."""
        weight = self._parameter(f"{name}.weight", (features, *x.shape), Role.WEIGHT)
        bias = self._parameter(f"{name}.bias", (features,), Role.BIAS)
        return self._node(Dense(), name, x.name, weight, bias)

    def scale_channels(self, x: Value, name: str, value: float) -> Value:
        """A learned factor per channel; random weights start it from ``value``."""
        stored = (1, 1, 1, x.channels)
        factor = self._parameter(name, (x.channels,), Role.NORM_SCALE, stored=stored, value=value)
        return self._node(Mul(), f"{name}.product", x.name, factor)

    def relu(self, x: Value) -> Value:
        """Negative values become zero."""
        return self._node(Clip(), f"{x.name}.relu", x.name)

    def clip(self, x: Value, low: float, high: float) -> Value:
        """Values below ``low`` become it, values above ``high`` become that; ReLU6 is 0 and 6."""
        return self._node(Clip(low, high), f"{x.name}.clip", x.name)

    def max_pool(self, x: Value, kernel: int, *, stride: int, padding: int = 0, ceil: bool = False) -> Value:
        """Greatest element under a square window; ``ceil`` keeps a last window that hangs over the edge."""
        window = Window(kernel=(kernel, kernel), strides=(stride, stride), padding=_pads(padding))
        if ceil:
            window = widened(window, ceil_padding(window, x.size))
        return self._node(MaxPool(window), f"{x.name}.pool", x.name)

    def average_pool(self, x: Value, kernel: int) -> Value:
        """Mean of square tiles that do not overlap."""
        window = Window(kernel=(kernel, kernel), strides=(kernel, kernel))
        return self._node(AveragePool(window), f"{x.name}.pool", x.name)

    def global_average_pool(self, x: Value) -> Value:
        """Mean of every channel: (1, 1, channels)."""
        return self._node(AveragePool(Window(kernel=x.size)), f"{x.name}.mean", x.name)

    def add(self, x: Value, y: Value, name: str) -> Value:
        """Sum of two values of one shape."""
        if x.shape != y.shape:
            raise ValueError(f"{self.name}: '{x.name}' {x.shape} and '{y.name}' {y.shape} cannot be added")
        return self._node(Add(), name, x.name, y.name)

    def concat(self, values: list[Value], name: str, *, axis: int) -> Value:
        """Values side by side along ``axis``, counted without the batch."""
        return self._node(Concat(axis + 1), name, *(value.name for value in values))

    def l2_normalize(self, x: Value) -> Value:
        """Divide by the Euclidean norm over channels, cell by cell (ParseNet, Liu et al. 2015)."""
        return self._node(L2Normalize(), f"{x.name}.unit", x.name)

    def flatten(self, x: Value) -> Value:
        """All elements in one row, channels slowest, as PyTorch's weights expect them."""
        if x.size != (1, 1):
            x = self._node(Transpose((0, 3, 1, 2)), f"{x.name}.nchw", x.name)
        return self._node(Reshape((1, math.prod(x.shape))), f"{x.name.removesuffix('.nchw')}.flat", x.name)

    def reshape(self, x: Value, shape: Shape) -> Value:
        """The same elements in the same order, channels fastest, under another shape (without the batch)."""
        order = ".nhwc" if len(x.shape) == 3 else ""
        return self._node(Reshape((1, *shape)), f"{x.name}{order}.reshaped", x.name)

    def softmax(self, x: Value) -> Value:
        """Probabilities along the last axis."""
        return self._node(Softmax(len(x.shape)), f"{x.name}.softmax", x.name)

    def _parameter(
        self,
        name: str,
        shape: Shape,
        role: Role,
        *,
        stored: Shape | None = None,
        value: float | None = None,
    ) -> str:
        self._claim(name)
        if stored is None:
            stored = (shape[0], *shape[2:], shape[1]) if role is Role.WEIGHT and len(shape) == 4 else shape
        self._parameters[name] = Parameter(shape=shape, role=role, stored_shape=stored, value=value)
        self._types[name] = TensorType(stored, DType.F32)
        return name

    def _node(self, op: Op, name: str, *operands: str) -> Value:
        self._claim(name)
        try:
            kind = op.infer(tuple(self._types[operand] for operand in operands))
        except ShapeMismatchError as error:
            raise ValueError(f"{self.name}, layer '{name}': {error}") from error
        self._types[name] = kind
        self._nodes.append(Node(name, op, operands, name))
        return Value(name, kind.shape[1:])

    def _claim(self, name: str) -> None:
        if name in self._types:
            raise ValueError(f"{self.name}: two values or weights are named '{name}'")


def _pads(padding: int | Padding) -> Padding:
    return (padding,) * 4 if isinstance(padding, int) else padding


def same_padding(size: Pair, kernel: int, stride: int) -> Padding:
    """TensorFlow's ``SAME``: ``ceil(size / stride)`` cells come out, and an odd cell of padding goes below and right."""
    total = [max((-(-cells // stride) - 1) * stride + kernel - cells, 0) for cells in size]
    (rows, columns) = total
    return rows // 2, columns // 2, rows - rows // 2, columns - columns // 2
