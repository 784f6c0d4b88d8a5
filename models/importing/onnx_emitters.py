"""How each operator of ours is written in ONNX (opset 17)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from accelserve.kernels.ir import (
    Add,
    AveragePool,
    ChannelAffine,
    Clip,
    Concat,
    Conv2d,
    Dense,
    Dequantize,
    HardSigmoid,
    HardSwish,
    L2Normalize,
    LeakyRelu,
    LocalResponseNorm,
    MaxPool,
    Mul,
    Node,
    Pad,
    Quantize,
    Reshape,
    Sigmoid,
    Slice,
    Softmax,
    Tanh,
    Transpose,
    Window,
)
from accelserve.models.errors import ConversionError
from accelserve.models.importing.onnx_writer import NCHW, WEIGHTS, Axes, OnnxWriter, writes


@writes(Conv2d)
def conv(to: OnnxWriter, node: Node, op: Conv2d) -> None:
    """Conv."""
    operands = [to.read(node.inputs[0], NCHW), to.read(node.inputs[1], WEIGHTS)]
    operands += [to.read(bias, (0,)) for bias in node.inputs[2:]]
    to.finish(node, NCHW, "Conv", operands, group=op.groups, **_window(op.window, dilated=True))


def _window(window: Window, *, dilated: bool) -> dict[str, Any]:
    attributes = {"kernel_shape": window.kernel, "strides": window.strides, "pads": window.padding}
    return attributes | {"dilations": window.dilations} if dilated else attributes


@writes(Dense)
def dense(to: OnnxWriter, node: Node, _: Dense) -> None:
    """Gemm with transB, so that weights stay [K, C]."""
    operands = [to.read(value, to.plain(value)) for value in node.inputs]
    to.finish(node, (0, 1), "Gemm", operands, transB=1)


@writes(ChannelAffine)
def channel_affine(to: OnnxWriter, node: Node, _: ChannelAffine) -> None:
    """BatchNormalization of mean 0 and variance 1, which is exact; Mul and Add where channels are not axis 1."""
    x, mul, add = node.inputs
    rank = len(to.type_of(x).shape)
    if rank in {2, 4}:
        axes: Axes = NCHW if rank == 4 else (0, 1)
        channels = to.type_of(x).shape[-1]
        mean = to.initializer(np.zeros(channels, np.float32), f"{node.name}/mean")
        variance = to.initializer(np.ones(channels, np.float32), f"{node.name}/variance")
        operands = [to.read(x, axes), to.read(mul, (0,)), to.read(add, (0,)), mean, variance]
        to.finish(node, axes, "BatchNormalization", operands, epsilon=0.0)
        return
    axes = to.plain(x)
    scaled = f"{node.output}/scaled"
    product = to.write("Mul", [to.read(x, axes), to.read(mul, (0,))], f"{node.name}/mul", scaled)
    to.finish(node, axes, "Add", [product, to.read(add, (0,))])


@writes(Clip)
def clip(to: OnnxWriter, node: Node, op: Clip) -> None:
    """Relu where it is one."""
    axes = to.axes_of(node.inputs[0])
    x = to.read(node.inputs[0], axes)
    if (op.low, op.high) == (0.0, math.inf):
        return to.finish(node, axes, "Relu", [x])
    bounds = [
        to.scalar(bound, f"{node.name}/{name}") if math.isfinite(bound) else ""
        for name, bound in (("low", op.low), ("high", op.high))
    ]
    return to.finish(node, axes, "Clip", [x, *(bounds if bounds[1] else bounds[:1])])


@writes(LeakyRelu, Sigmoid, HardSigmoid, HardSwish, Tanh)
def unary(to: OnnxWriter, node: Node, op: LeakyRelu | Sigmoid | HardSigmoid | HardSwish | Tanh) -> None:
    """Operators that ONNX has by the same name."""
    attributes = {name: getattr(op, name) for name in ("alpha", "beta") if hasattr(op, name)}
    axes = to.axes_of(node.inputs[0])
    to.finish(node, axes, op.label, [to.read(node.inputs[0], axes)], **attributes)


@writes(Add, Mul)
def binary(to: OnnxWriter, node: Node, op: Add | Mul) -> None:
    """Operands of one rank are held alike; others in our own order, as they broadcast."""
    ranks = {len(to.type_of(value).shape) for value in node.inputs}
    if len(ranks) > 1:
        operands = [to.read(value, to.plain(value)) for value in node.inputs]
        return to.finish(node, to.plain(node.output), op.label, operands)
    held = [to.axes_of(value) for value in node.inputs if not to.is_constant(value)]
    axes = NCHW if NCHW in held else held[0] if held else to.plain(node.output)
    return to.finish(node, axes, op.label, [to.read(value, axes) for value in node.inputs])


@writes(Concat)
def concat(to: OnnxWriter, node: Node, op: Concat) -> None:
    """Operands are held alike."""
    held = [to.axes_of(value) for value in node.inputs if not to.is_constant(value)]
    axes = NCHW if NCHW in held else held[0] if held else to.plain(node.output)
    operands = [to.read(value, axes) for value in node.inputs]
    to.finish(node, axes, "Concat", operands, axis=axes.index(op.axis))


@writes(MaxPool)
def max_pool(to: OnnxWriter, node: Node, op: MaxPool) -> None:
    """MaxPool."""
    x = to.read(node.inputs[0], NCHW)
    to.finish(node, NCHW, "MaxPool", [x], **_window(op.window, dilated=True))


@writes(AveragePool)
def average_pool(to: OnnxWriter, node: Node, op: AveragePool) -> None:
    """GlobalAveragePool where the window is the whole image."""
    x = to.read(node.inputs[0], NCHW)
    _, height, width, _ = to.type_of(node.inputs[0]).shape
    if op.window == Window(kernel=(height, width)):
        return to.finish(node, NCHW, "GlobalAveragePool", [x])
    if op.window.dilations != (1, 1):
        raise ConversionError(f"AveragePool '{node.name}' has dilations, which opset 17 cannot write")
    attributes = _window(op.window, dilated=False)
    return to.finish(node, NCHW, "AveragePool", [x], count_include_pad=int(op.count_padding), **attributes)


@writes(LocalResponseNorm)
def local_response_norm(to: OnnxWriter, node: Node, op: LocalResponseNorm) -> None:
    """LRN."""
    attributes = {"size": op.size, "alpha": op.alpha, "beta": op.beta, "bias": op.bias}
    to.finish(node, NCHW, "LRN", [to.read(node.inputs[0], NCHW)], **attributes)


@writes(L2Normalize)
def l2_normalize(to: OnnxWriter, node: Node, op: L2Normalize) -> None:
    """ReduceL2, Clip, Div: LpNormalization has no epsilon."""
    axes = to.axes_of(node.inputs[0])
    x = to.read(node.inputs[0], axes)
    axis = axes.index(len(axes) - 1)
    norm = to.write("ReduceL2", [x], f"{node.name}/norm", f"{node.output}/norm", axes=[axis], keepdims=1)
    least = to.scalar(op.epsilon, f"{node.name}/epsilon")
    bounded = to.write("Clip", [norm, least], f"{node.name}/bounded", f"{node.output}/bounded")
    to.finish(node, axes, "Div", [x, bounded])


@writes(Softmax)
def softmax(to: OnnxWriter, node: Node, op: Softmax) -> None:
    """Along the axis where it is held."""
    axes = to.axes_of(node.inputs[0])
    to.finish(node, axes, "Softmax", [to.read(node.inputs[0], axes)], axis=axes.index(op.axis))


@writes(Transpose)
def transpose(to: OnnxWriter, node: Node, op: Transpose) -> None:
    """Another way to see what is held; nothing is written."""
    axes = to.axes_of(node.inputs[0])
    name = to.read(node.inputs[0], axes)
    to.hold(node.output, tuple(op.permutation.index(axis) for axis in axes), name)


@writes(Reshape)
def reshape(to: OnnxWriter, node: Node, op: Reshape) -> None:
    """From our own order, or from any that differs from it in axes of size 1 only."""
    x = node.inputs[0]
    sizes = to.type_of(x).shape
    held = to.axes_of(x)
    wide = [axis for axis in held if sizes[axis] > 1]
    source = to.read(x, held if wide == sorted(wide) else to.plain(x))
    shape, axes = op.shape, to.plain(node.output)
    if len(shape) == 4 and shape[1:3] == (1, 1):
        shape, axes = (shape[0], shape[3], 1, 1), NCHW
    # 0 copies the batch from the operand, whatever it is.
    written = (0, *shape[1:]) if to.batchable else shape
    to.finish(node, axes, "Reshape", [source, to.vector(written, f"{node.name}/shape")])


@writes(Pad)
def pad(to: OnnxWriter, node: Node, op: Pad) -> None:
    """Constant mode."""
    axes = to.axes_of(node.inputs[0])
    cells = [op.before[axis] for axis in axes] + [op.after[axis] for axis in axes]
    operands = [
        to.read(node.inputs[0], axes),
        to.vector(cells, f"{node.name}/pads"),
        to.scalar(op.value, f"{node.name}/value"),
    ]
    to.finish(node, axes, "Pad", operands)


@writes(Slice)
def slice_axes(to: OnnxWriter, node: Node, op: Slice) -> None:
    """Only the axes that are cut."""
    axes = to.axes_of(node.inputs[0])
    shape = to.type_of(node.inputs[0]).shape
    bounds = list(zip(op.start, op.stop, op.step, strict=True))
    cut = [a for a in range(len(shape)) if bounds[a] != (0, shape[a], 1)] or [len(shape) - 1]
    operands = [to.read(node.inputs[0], axes)]
    for what, values in (
        ("starts", (op.start[a] for a in cut)),
        ("ends", (op.stop[a] for a in cut)),
        ("axes", (axes.index(a) for a in cut)),
        ("steps", (op.step[a] for a in cut)),
    ):
        operands.append(to.vector(values, f"{node.name}/{what}"))
    to.finish(node, axes, "Slice", operands)


@writes(Quantize, Dequantize)
def quantize(to: OnnxWriter, node: Node, op: Quantize | Dequantize) -> None:
    """QuantizeLinear and DequantizeLinear; constant weights are written where they are read."""
    x, scale, zero_point = node.inputs
    if to.is_constant(node.output):
        return
    axes = to.axes_of(x)
    parameters = (scale,) if to.omits_zero_point(node) else (scale, zero_point)
    operands = [to.read(value, to.plain(value)) for value in parameters]
    vector = to.type_of(scale).shape != ()
    attributes = {"axis": axes.index(op.axis % len(axes))} if vector else {}
    to.finish(node, axes, f"{op.label}Linear", [to.read(x, axes), *operands], **attributes)
