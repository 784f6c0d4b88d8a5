"""The float32 network inside a QDQ file as a TensorFlow function: its weights dequantized, its activations not quantized.

A tensor of four axes is [N, C, H, W] to the file and [N, H, W, C] here throughout, which is what TensorFlow's CPU kernels
take. The operators are those that the measured networks have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import tensorflow as tf
from numpy.typing import NDArray
from onnx import helper, numpy_helper

Array = NDArray[Any]
Value = Any
"""A tf.Tensor, or a numpy array of what does not change."""
Operator = Callable[[Sequence[Value], Mapping[str, Any]], Value]
_LAST = (0, 2, 3, 1)
_FIRST = (0, 3, 1, 2)
_AXIS = {0: 0, 1: 3, 2: 1, 3: 2}


def network(path: str, outputs: Sequence[str]) -> Callable[[Value], dict[str, Value]]:
    """A function from float32 [N, H, W, 3] to the outputs, to be traced.

    Args:
        path: of the QDQ file.
        outputs: of it that are wanted.

    Raises:
        NotImplementedError: an operator that is not known here.
    """
    graph = onnx.load(path).graph
    fixed = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    nodes = _needed(graph, outputs)
    given = graph.input[0].name

    def run(images: Value) -> dict[str, Value]:
        values: dict[str, Value] = {**fixed, given: images}
        for node in nodes:
            if node.op_type not in OPERATORS:
                raise NotImplementedError(f"{node.op_type} ({node.name}) is not known to this server")
            attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
            taken = [values[name] if name else None for name in node.input]
            values[node.output[0]] = OPERATORS[node.op_type](taken, attributes)
        return {name: _to_first(values[name]) for name in outputs}

    return run


def _needed(graph: onnx.GraphProto, outputs: Sequence[str]) -> list[onnx.NodeProto]:
    """In the file's order, without what no output depends on."""
    wanted, found = set(outputs), []
    for node in reversed(graph.node):
        if wanted & set(node.output):
            found.append(node)
            wanted |= set(node.input)
    return found[::-1]


def _is_fixed(value: Value) -> bool:
    return isinstance(value, np.ndarray)


def _to_last(value: Value) -> Value:
    if len(value.shape) != 4:
        return value
    return value.transpose(_LAST) if _is_fixed(value) else tf.transpose(value, _LAST)


def _to_first(value: Value) -> Value:
    if len(value.shape) != 4:
        return value
    return value.transpose(_FIRST) if _is_fixed(value) else tf.transpose(value, _FIRST)


def _dequantize(taken: Sequence[Value], attributes: Mapping[str, Any]) -> Value:
    codes, scale = taken[0], taken[1]
    if not _is_fixed(codes):
        return codes
    zero = taken[2] if len(taken) > 2 else np.zeros_like(scale)
    if scale.ndim:
        shape = [1] * codes.ndim
        shape[attributes.get("axis", 1)] = -1
        scale, zero = scale.reshape(shape), zero.reshape(shape)
    return ((codes.astype(np.float32) - zero.astype(np.float32)) * scale).astype(np.float32)


def _pads(attributes: Mapping[str, Any]) -> list[list[int]]:
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    return [[0, 0], [top, bottom], [left, right], [0, 0]]


def _conv(taken: Sequence[Value], attributes: Mapping[str, Any]) -> Value:
    images, weights = taken[0], taken[1].transpose(2, 3, 1, 0)
    found = tf.nn.conv2d(
        images,
        weights,
        strides=attributes.get("strides", [1, 1]),
        padding=_pads(attributes),
        dilations=attributes.get("dilations", [1, 1]),
    )
    return tf.nn.bias_add(found, taken[2]) if len(taken) > 2 else found


def _max_pool(taken: Sequence[Value], attributes: Mapping[str, Any]) -> Value:
    pads, strides = _pads(attributes), list(attributes.get("strides", [1, 1]))
    if attributes.get("ceil_mode"):
        for axis, size, stride, extent in zip(
            (1, 2), attributes["kernel_shape"], strides, taken[0].shape[1:3], strict=True
        ):
            pads[axis][1] += -(extent + sum(pads[axis]) - size) % stride
    padded = tf.pad(taken[0], pads, constant_values=-np.inf)
    return tf.nn.max_pool2d(padded, attributes["kernel_shape"], strides, "VALID")


def _average_pool(taken: Sequence[Value], attributes: Mapping[str, Any]) -> Value:
    if any(attributes.get("pads", ())):
        raise NotImplementedError("AveragePool with padding is not known to this server")
    return tf.nn.avg_pool2d(taken[0], attributes["kernel_shape"], attributes.get("strides", [1, 1]), "VALID")


def _shaped(value: Value, shape: Sequence[int]) -> Value:
    """Reshape as the file means it."""
    given = _to_first(value)
    wanted = [given.shape[axis] if size == 0 else size for axis, size in enumerate(shape)]
    if wanted[0] is None or (wanted[0] == 1 and -1 not in wanted[1:]):
        wanted[0] = tf.shape(given)[0]  # the batch
    return _to_last(tf.reshape(given, wanted))


def _flatten(taken: Sequence[Value], attributes: Mapping[str, Any]) -> Value:
    given = _to_first(taken[0])
    return tf.reshape(given, [-1, int(np.prod(given.shape[attributes.get("axis", 1) :]))])


def _gemm(taken: Sequence[Value], attributes: Mapping[str, Any]) -> Value:
    found = tf.matmul(
        taken[0],
        taken[1],
        transpose_a=bool(attributes.get("transA")),
        transpose_b=bool(attributes.get("transB")),
    )
    return tf.nn.bias_add(found, taken[2]) if len(taken) > 2 else found


def _transpose(taken: Sequence[Value], attributes: Mapping[str, Any]) -> Value:
    return _to_last(tf.transpose(_to_first(taken[0]), attributes["perm"]))


def _concat(taken: Sequence[Value], attributes: Mapping[str, Any]) -> Value:
    axis, rank = attributes["axis"], len(taken[0].shape)
    axis %= rank
    return tf.concat(list(taken), _AXIS[axis] if rank == 4 else axis)


def _softmax(taken: Sequence[Value], attributes: Mapping[str, Any]) -> Value:
    axis, rank = attributes.get("axis", -1), len(taken[0].shape)
    return tf.nn.softmax(taken[0], _AXIS[axis % rank] if rank == 4 else axis)


def _elementwise(function: Callable[[Value, Value], Value]) -> Operator:
    def operator(taken: Sequence[Value], _: Mapping[str, Any]) -> Value:
        rank = max(len(each.shape) for each in taken)
        aligned = []
        for each in taken:
            short = _is_fixed(each) and len(each.shape) < rank == 4
            aligned.append(_last_of_fixed(each) if short or (_is_fixed(each) and rank == 4) else each)
        return function(aligned[0], aligned[1])

    return operator


def _last_of_fixed(value: Array) -> Array:
    return value.reshape([1] * (4 - value.ndim) + list(value.shape)).transpose(_LAST)


def _clip(taken: Sequence[Value], _: Mapping[str, Any]) -> Value:
    low, high = [*taken[1:], None, None][:2]
    found = taken[0] if low is None else tf.maximum(taken[0], low)
    return found if high is None else tf.minimum(found, high)


def _reduce_l2(taken: Sequence[Value], attributes: Mapping[str, Any]) -> Value:
    axes, rank = attributes["axes"], len(taken[0].shape)
    places = [_AXIS[axis % rank] if rank == 4 else axis for axis in axes]
    keep = bool(attributes.get("keepdims", 1))
    return tf.sqrt(tf.reduce_sum(tf.square(taken[0]), places, keepdims=keep))


def _batch_normalization(taken: Sequence[Value], attributes: Mapping[str, Any]) -> Value:
    images, gamma, beta, mean, variance = taken
    factor = gamma / np.sqrt(variance + attributes.get("epsilon", 1e-5))
    return images * factor + (beta - mean * factor)


OPERATORS: Mapping[str, Operator] = {
    "QuantizeLinear": lambda taken, _: taken[0],
    "DequantizeLinear": _dequantize,
    "Conv": _conv,
    "Relu": lambda taken, _: tf.nn.relu(taken[0]),
    "Clip": _clip,
    "ReduceL2": _reduce_l2,
    "Add": _elementwise(lambda a, b: a + b),
    "Mul": _elementwise(lambda a, b: a * b),
    "Div": _elementwise(lambda a, b: a / b),
    "BatchNormalization": _batch_normalization,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": lambda taken, _: tf.reduce_mean(taken[0], [1, 2], keepdims=True),
    "Reshape": lambda taken, _: _shaped(taken[0], [int(size) for size in taken[1]]),
    "Flatten": _flatten,
    "Gemm": _gemm,
    "MatMul": lambda taken, _: tf.matmul(taken[0], taken[1]),
    "Softmax": _softmax,
    "Transpose": _transpose,
    "Concat": _concat,
    "Identity": lambda taken, _: taken[0],
}
