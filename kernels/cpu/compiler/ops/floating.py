"""float32 operators of one element or two, for the parts of a network that int8 cannot hold. Tensors are dense."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from accelserve.kernels.cpu.compiler.elementary import sigmoid, tanh
from accelserve.kernels.cpu.compiler.frames import rows_of_item
from accelserve.kernels.cpu.compiler.lowering import Context, Field, Step, float_bits, lowers, record_of
from accelserve.kernels.cpu.compiler.step_function import step
from accelserve.kernels.cpu.compiler.strided_copy import dense_strides
from accelserve.kernels.cpu.records import floats as f
from accelserve.kernels.errors import UnsupportedNodesError
from accelserve.kernels.ir import (
    Add,
    ChannelAffine,
    Clip,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    Mul,
    Node,
    Sigmoid,
    Tanh,
)
from accelserve.kernels.native.compiled import Compiled
from accelserve.kernels.native.memory import as_float, f32_at, field

CLIP, LEAKY, SIGMOID, HARD_SIGMOID, HARD_SWISH, TANH = range(6)
LEAST_ELEMENTS = 4096
"""Below so many elements an item is not worth its claim."""


@step
def unary(record: int, item: int, thread: int) -> None:  # noqa: ARG001 - every step has this signature
    """A share of the elements; which function is the record's choice."""
    count = field(record, f.COUNT)
    first, last = rows_of_item(item, field(record, f.ITEMS), count)
    x = f32_at(field(record, f.SOURCE), count)
    y = f32_at(field(record, f.TARGET), count)
    a = as_float(field(record, f.FIRST_PARAMETER))
    b = as_float(field(record, f.SECOND_PARAMETER))
    function = field(record, f.FUNCTION)
    for i in range(first, last):
        v = x[i]
        if function == CLIP:
            y[i] = min(max(v, a), b)
        elif function == LEAKY:
            y[i] = v if v >= 0 else a * v
        elif function == SIGMOID:
            y[i] = sigmoid(v)
        elif function == HARD_SIGMOID:
            y[i] = min(max(v * a + b, np.float32(0)), np.float32(1))
        elif function == HARD_SWISH:
            y[i] = v * min(max(v / np.float32(6) + np.float32(0.5), np.float32(0)), np.float32(1))
        else:
            y[i] = tanh(v)


@step
def affine(record: int, item: int, thread: int) -> None:  # noqa: ARG001 - every step has this signature
    """A share of the pixels: a product and a sum per channel."""
    channels = field(record, f.CHANNELS)
    first, last = rows_of_item(item, field(record, f.ITEMS), field(record, f.COUNT) // channels)
    mul = f32_at(field(record, f.MULTIPLY), channels)
    add = f32_at(field(record, f.ADDEND), channels)
    for pixel in range(first, last):
        x = f32_at(field(record, f.SOURCE) + pixel * channels * 4, channels)
        y = f32_at(field(record, f.TARGET) + pixel * channels * 4, channels)
        for c in range(channels):
            y[c] = x[c] * mul[c] + add[c]


@step
def binary(record: int, item: int, thread: int) -> None:  # noqa: ARG001 - every step has this signature
    """A share of the second dimension of a broadcast sum or product."""
    d0, d1 = field(record, f.SHAPE), field(record, f.SHAPE + 1)
    d2, d3 = field(record, f.SHAPE + 2), field(record, f.SHAPE + 3)
    first, last = rows_of_item(item, field(record, f.ITEMS), d1)
    a_inner, b_inner = field(record, f.SOURCE_STEPS + 3), field(record, f.OTHER_STEPS + 3)
    multiplies = field(record, f.FUNCTION) != 0
    for i in range(d0):
        for j in range(first, last):
            for k in range(d2):
                left = i * field(record, f.SOURCE_STEPS) + j * field(record, f.SOURCE_STEPS + 1)
                left += k * field(record, f.SOURCE_STEPS + 2)
                right = i * field(record, f.OTHER_STEPS) + j * field(record, f.OTHER_STEPS + 1)
                right += k * field(record, f.OTHER_STEPS + 2)
                a = f32_at(field(record, f.SOURCE) + 4 * left, d3)
                b = f32_at(field(record, f.OTHER) + 4 * right, d3)
                y = f32_at(field(record, f.TARGET) + 4 * (((i * d1 + j) * d2 + k) * d3), d3)
                for c in range(d3):
                    if multiplies:
                        y[c] = a[c * a_inner] * b[c * b_inner]
                    else:
                        y[c] = a[c * a_inner] + b[c * b_inner]


def elements_step(
    node: Node, context: Context, function: Compiled, fields: dict[int, Field], parts: int
) -> tuple[Step]:
    """A step whose items share ``parts`` equal parts of the node's result."""
    kind = context.type_of(node.output)
    items = max(1, min(context.shares(parts), kind.elements // LEAST_ELEMENTS))
    whole: dict[int, Field] = {
        f.SOURCE: context.address(node.inputs[0]),
        f.TARGET: context.address(node.output),
        f.ITEMS: items,
        f.COUNT: kind.elements,
    }
    return (
        Step(
            name=node.name,
            operator=f"{node.op.label.lower()}_f32",
            function=function,
            fields=record_of(f.FLOATS, whole, fields),
            items=items,
            shape=kind.shape,
        ),
    )


@lowers(Clip, LeakyRelu, Sigmoid, HardSigmoid, HardSwish, Tanh)
def lower_unary(
    node: Node, op: Clip | LeakyRelu | Sigmoid | HardSigmoid | HardSwish | Tanh, context: Context
) -> Sequence[Step]:
    """One step."""
    parameters = (0.0, 0.0)
    if isinstance(op, Clip):
        function, parameters = CLIP, (op.low, op.high)
    elif isinstance(op, LeakyRelu):
        function, parameters = LEAKY, (op.alpha, 0.0)
    elif isinstance(op, HardSigmoid):
        function, parameters = HARD_SIGMOID, (op.alpha, op.beta)
    else:
        function = SIGMOID if isinstance(op, Sigmoid) else HARD_SWISH if isinstance(op, HardSwish) else TANH
    fields: dict[int, Field] = {
        f.FUNCTION: function,
        f.FIRST_PARAMETER: float_bits(parameters[0]),
        f.SECOND_PARAMETER: float_bits(parameters[1]),
    }
    return elements_step(node, context, unary, fields, context.type_of(node.output).elements)


@lowers(ChannelAffine)
def lower_affine(node: Node, op: ChannelAffine, context: Context) -> Sequence[Step]:
    """One step."""
    del op
    kind = context.type_of(node.output)
    fields: dict[int, Field] = {
        f.CHANNELS: kind.shape[-1],
        f.MULTIPLY: context.address(node.inputs[1]),
        f.ADDEND: context.address(node.inputs[2]),
    }
    return elements_step(node, context, affine, fields, kind.elements // kind.shape[-1])


@lowers(Add, Mul)
def lower_binary(node: Node, op: Add | Mul, context: Context) -> Sequence[Step]:
    """One step, for up to four dimensions."""
    shape = context.type_of(node.output).shape
    if len(shape) > 4:
        raise UnsupportedNodesError([(node.name, f"{op.label} of {len(shape)} dimensions")])
    padded = [1] * (4 - len(shape)) + list(shape)
    fields: dict[int, Field] = {
        f.OTHER: context.address(node.inputs[1]),
        f.FUNCTION: int(isinstance(op, Mul)),
        **dict(enumerate(padded, f.SHAPE)),
    }
    for at, value in ((f.SOURCE_STEPS, node.inputs[0]), (f.OTHER_STEPS, node.inputs[1])):
        own = context.type_of(value).shape
        sizes = [1] * (4 - len(own)) + list(own)
        steps = [0 if size == 1 else each for size, each in zip(sizes, dense_strides(sizes, 1), strict=True)]
        fields |= dict(enumerate(steps, at))
    return elements_step(node, context, binary, fields, padded[1])
