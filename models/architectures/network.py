"""Writes a network down layer by layer; every architecture is a function that calls this.

Layers that have weights take their name from the ``state_dict``: ``conv(x, "layer1.0.conv1", ...)`` reads
``layer1.0.conv1.weight``. Shapes are worked out as the layers are added, so weights know theirs.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from onnx import NodeProto, helper, numpy_helper

from accelserve.models.architectures.blueprint import Blueprint, Parameter, Role, Shape, Value

Padding: TypeAlias = tuple[int, int, int, int]
"""Rows above, columns left, rows below, columns right."""

IMAGES = "images"


class Network:
    """A network being written down.

    Attributes:
        images: the input value, (channels, rows, columns).
    """

    def __init__(self, name: str, image_shape: Shape) -> None:
        self.name = name
        self.images = Value(IMAGES, image_shape)
        self._nodes: list[NodeProto] = []
        self._parameters: dict[str, Parameter] = {}
        self._outputs: dict[str, Value] = {}
        self._names = {IMAGES}

    def blueprint(self) -> Blueprint:
        """What has been written so far."""
        return Blueprint(
            name=self.name,
            images=self.images,
            nodes=tuple(self._nodes),
            parameters=dict(self._parameters),
            outputs=dict(self._outputs),
        )

    def output(self, name: str, value: Value) -> None:
        """Let the network answer with ``value`` under a public name."""
        if name in self._outputs or any(value == other for other in self._outputs.values()):
            raise ValueError(f"{self.name}: output '{name}' or its value '{value.name}' is an output already")
        self._outputs[name] = value

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
        pads = _pads(padding)
        shape = (channels, x.shape[0] // groups, kernel, kernel)
        inputs = [x.name, self._parameter(f"{name}.weight", shape, Role.WEIGHT)]
        if bias:
            inputs.append(self._parameter(f"{name}.bias", (channels,), Role.BIAS))
        extent = (kernel - 1) * dilation + 1
        return self._node(
            "Conv",
            name,
            inputs,
            (channels, *_slide(x.shape[1:], extent, stride, pads, ceil=False)),
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=list(pads),
            dilations=[dilation, dilation],
            group=groups,
        )

    def batch_norm(self, x: Value, name: str, *, epsilon: float = 1e-5, gain: float = 1.0) -> Value:
        """Batch normalisation with running statistics; random weights scale its result by about ``gain``."""
        roles = {
            "weight": Role.NORM_SCALE,
            "bias": Role.NORM_SHIFT,
            "running_mean": Role.RUNNING_MEAN,
            "running_var": Role.RUNNING_VARIANCE,
        }
        inputs = [
            self._parameter(f"{name}.{suffix}", x.shape[:1], role, value=gain)
            for suffix, role in roles.items()
        ]
        return self._node("BatchNormalization", name, [x.name, *inputs], x.shape, epsilon=epsilon)

    def dense(self, x: Value, name: str, features: int) -> Value:
        """A fully connected layer on a flat value, with a bias."""
        weight = self._parameter(f"{name}.weight", (features, *x.shape), Role.WEIGHT)
        bias = self._parameter(f"{name}.bias", (features,), Role.BIAS)
        return self._node("Gemm", name, [x.name, weight, bias], (features,), transB=1)

    def scale_channels(self, x: Value, name: str, value: float) -> Value:
        """A learned factor per channel; random weights start it from ``value``."""
        channels = x.shape[0]
        stored = (1, channels, 1, 1)
        factor = self._parameter(name, (channels,), Role.NORM_SCALE, stored_shape=stored, value=value)
        return self._node("Mul", f"{name}.product", [x.name, factor], x.shape)

    def relu(self, x: Value) -> Value:
        """Negative values become zero."""
        return self._node("Relu", f"{x.name}.relu", [x.name], x.shape)

    def clip(self, x: Value, low: float, high: float) -> Value:
        """Values below ``low`` become it, values above ``high`` become that; ReLU6 is 0 and 6."""
        bounds = [self._constant(f"{x.name}.{side}", v) for side, v in (("low", low), ("high", high))]
        return self._node("Clip", f"{x.name}.clip", [x.name, *bounds], x.shape)

    def max_pool(self, x: Value, kernel: int, *, stride: int, padding: int = 0, ceil: bool = False) -> Value:
        """Greatest element under a square window; ``ceil`` keeps a last window that hangs over the edge."""
        pads = _pads(padding)
        return self._node(
            "MaxPool",
            f"{x.name}.pool",
            [x.name],
            (x.shape[0], *_slide(x.shape[1:], kernel, stride, pads, ceil=ceil)),
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=list(pads),
            ceil_mode=int(ceil),
        )

    def average_pool(self, x: Value, kernel: int) -> Value:
        """Mean of square tiles that do not overlap."""
        return self._node(
            "AveragePool",
            f"{x.name}.pool",
            [x.name],
            (x.shape[0], *_slide(x.shape[1:], kernel, kernel, _pads(0), ceil=False)),
            kernel_shape=[kernel, kernel],
            strides=[kernel, kernel],
        )

    def global_average_pool(self, x: Value) -> Value:
        """Mean of every channel: (channels, 1, 1)."""
        return self._node("GlobalAveragePool", f"{x.name}.mean", [x.name], (x.shape[0], 1, 1))

    def add(self, x: Value, y: Value, name: str) -> Value:
        """Sum of two values of one shape."""
        if x.shape != y.shape:
            raise ValueError(f"{self.name}: '{x.name}' {x.shape} and '{y.name}' {y.shape} cannot be added")
        return self._node("Add", name, [x.name, y.name], x.shape)

    def concat(self, values: list[Value], name: str, *, axis: int = 0) -> Value:
        """Values side by side along ``axis``, counted without the batch."""
        shape = list(values[0].shape)
        shape[axis] = sum(value.shape[axis] for value in values)
        return self._node("Concat", name, [value.name for value in values], tuple(shape), axis=axis + 1)

    def l2_normalize(self, x: Value) -> Value:
        """Divide by the Euclidean norm over channels, cell by cell (ParseNet, Liu et al. 2015)."""
        return self._node("LpNormalization", f"{x.name}.unit", [x.name], x.shape, axis=1, p=2)

    def flatten(self, x: Value) -> Value:
        """All elements in one row, channels slowest."""
        return self._node("Flatten", f"{x.name}.flat", [x.name], (math.prod(x.shape),), axis=1)

    def channels_last(self, x: Value) -> Value:
        """(channels, rows, columns) becomes (rows, columns, channels)."""
        channels, rows, columns = x.shape
        shape = (rows, columns, channels)
        return self._node("Transpose", f"{x.name}.nhwc", [x.name], shape, perm=[0, 2, 3, 1])

    def reshape(self, x: Value, shape: Shape) -> Value:
        """The same elements in the same order under another shape (without the batch)."""
        if math.prod(shape) != math.prod(x.shape):
            raise ValueError(f"{self.name}: '{x.name}' {x.shape} cannot take the shape {shape}")
        target = self._constant(f"{x.name}.shape", np.asarray([0, *shape], np.int64))
        return self._node("Reshape", f"{x.name}.reshaped", [x.name, target], shape)

    def softmax(self, x: Value) -> Value:
        """Probabilities along the last axis."""
        return self._node("Softmax", f"{x.name}.softmax", [x.name], x.shape, axis=-1)

    def _parameter(
        self,
        name: str,
        shape: Shape,
        role: Role,
        *,
        stored_shape: Shape | None = None,
        value: float | None = None,
    ) -> str:
        self._claim(name)
        self._parameters[name] = Parameter(
            shape=shape, role=role, stored_shape=stored_shape or shape, value=value
        )
        return name

    def _constant(self, name: str, value: float | np.ndarray[tuple[int], np.dtype[np.int64]]) -> str:
        self._claim(name)
        array = np.float32(value) if isinstance(value, (int, float)) else value
        tensor = numpy_helper.from_array(np.asarray(array), name)
        self._nodes.append(helper.make_node("Constant", [], [name], name, value=tensor))
        return name

    def _node(
        self, op_type: str, name: str, inputs: list[str], shape: Shape, **attributes: float | list[int]
    ) -> Value:
        self._claim(name)
        node = helper.make_node(op_type, inputs, [name], name)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self._nodes.append(node)
        return Value(name, shape)

    def _claim(self, name: str) -> None:
        if name in self._names:
            raise ValueError(f"{self.name}: two values or weights are named '{name}'")
        self._names.add(name)


def _pads(padding: int | Padding) -> Padding:
    return (padding,) * 4 if isinstance(padding, int) else padding


def _slide(size: Shape, extent: int, stride: int, pads: Padding, *, ceil: bool) -> Shape:
    """Rows and columns of the result of a sliding window, by ONNX's rule and PyTorch's."""
    result = []
    for axis, cells in enumerate(size):
        room = cells + pads[axis] + pads[axis + 2] - extent
        if room < 0:
            raise ValueError(f"a window of {extent} does not fit {cells} cells padded by {pads}")
        count = (-(-room // stride) if ceil else room // stride) + 1
        if ceil and (count - 1) * stride >= cells + pads[axis]:
            count -= 1  # a window may not start beyond the input
        result.append(count)
    return tuple(result)


def same_padding(size: Shape, kernel: int, stride: int) -> Padding:
    """TensorFlow's ``SAME``: ``ceil(size / stride)`` cells come out, and an odd cell of padding goes below and right."""
    total = [max((-(-cells // stride) - 1) * stride + kernel - cells, 0) for cells in size]
    (rows, columns) = total
    return rows // 2, columns // 2, rows - rows // 2, columns - columns // 2
