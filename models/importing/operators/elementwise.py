"""Sums, differences, products and quotients."""

from __future__ import annotations

import numpy as np

from accelserve.kernels.ir import Add, Array, Mul
from accelserve.models.importing import l2_normalization
from accelserve.models.importing.arithmetic import add_tensors, affine, combine
from accelserve.models.importing.registry import Call, UnsupportedFormError, as_float32, dequantized, operator
from accelserve.models.importing.values import Known, Norm, Stored, Tensor, Value

_BROADCAST = {"broadcast": "sets before 7 need it where shapes differ, and shapes say whether they do"}


@operator("Add", operands=2, reads="axis", irrelevant=_BROADCAST)
def add(call: Call) -> Value:
    """Of two tensors, or of a tensor and a constant."""
    left, right = _pair(call)
    if isinstance(left, Norm) and left.stage != "square":
        return l2_normalization.with_added(left, _scalar(right))
    if isinstance(right, Norm) and right.stage != "square":
        return l2_normalization.with_added(right, _scalar(left))
    constant = _constant(right)
    if constant is not None:
        return affine(call, call.as_tensor(left), add=constant)
    if isinstance(left, Known | Stored):
        return affine(call, call.as_tensor(right), add=_constant(left))
    return add_tensors(call, call.as_tensor(left), call.as_tensor(right))


@operator("Sum", operands=None)
def sum_all(call: Call) -> Tensor:
    """Of one or more tensors, from the left."""
    total = call.tensor(0)
    for position in range(1, len(call.operands) - 1):
        total = combine(call, Add(), total, call.tensor(position), f"sum{position}")
    return add_tensors(call, total, call.tensor(len(call.operands) - 1)) if len(call.operands) > 1 else total


@operator("Sub", operands=2, reads="axis", irrelevant=_BROADCAST)
def subtract(call: Call) -> Tensor:
    """A constant from a tensor, a tensor from a constant, or two tensors."""
    left, right = _pair(call)
    constant = _constant(right)
    if constant is not None:
        return affine(call, call.as_tensor(left), add=-as_float32(constant))
    constant = _constant(left)
    negative = np.array(-1.0, np.float32)
    if constant is not None and constant.size == 1:
        return affine(call, call.as_tensor(right), mul=negative, add=constant)
    subtrahend = _negated(call, call.as_tensor(right))
    return add_tensors(call, call.as_tensor(left), subtrahend)


def _negated(call: Call, x: Tensor) -> Tensor:
    minus_one = call.scope.constant(np.full(1, -1.0, np.float32), f"{call.node.name}/minus_one")
    return combine(call, Mul(), x, Tensor(minus_one, (1,), (0,)), "negated")


@operator("Neg")
def negate(call: Call) -> Tensor:
    """``-x``."""
    return affine(call, call.tensor(0), mul=np.array(-1.0, np.float32))


@operator("Mul", operands=2, reads="axis", irrelevant=_BROADCAST)
def multiply(call: Call) -> Value:
    """Of two tensors, or of a tensor and a constant; of a tensor with itself or its inverse norm: a step of L2Norm."""
    left, right = _pair(call)
    for x, norm in ((left, right), (right, left)):
        if isinstance(norm, Norm) and norm.stage != "square" and isinstance(x, Tensor):
            return l2_normalization.normalized(call, x, norm, "inverse")
    if isinstance(left, Tensor) and left == right:
        return l2_normalization.begin(call, left, "square")
    constant = _constant(right)
    if constant is not None:
        return affine(call, call.as_tensor(left), mul=constant)
    if isinstance(left, Known | Stored):
        return affine(call, call.as_tensor(right), mul=_constant(left))
    return combine(call, Mul(), call.as_tensor(left), call.as_tensor(right))


@operator("Div", operands=2, reads="axis", irrelevant=_BROADCAST)
def divide(call: Call) -> Tensor:
    """A tensor by a constant, or by its own norm."""
    left, right = _pair(call)
    if isinstance(right, Norm) and isinstance(left, Tensor):
        return l2_normalization.normalized(call, left, right, "norm")
    constant = _constant(right)
    if constant is None:
        raise UnsupportedFormError("by a value computed at run time")
    # One rounding at import instead of one division for each element: an ulp apart.
    inverse = (1.0 / np.asarray(constant, np.float64)).astype(np.float32)
    return affine(call, call.as_tensor(left), mul=inverse)


def _pair(call: Call) -> tuple[Value | None, Value | None]:
    left, right = call.operand(0), call.operand(1)
    axis = call.node.attributes.get("axis")
    if call.opset >= 7 or axis is None:
        return left, right
    # Before opset 7 the second operand stood at 'axis' of the first instead of at its end.
    rank = len(call.tensor(0).shape)
    place = call.axis(call.int_attribute("axis", 0), rank)
    if not isinstance(right, Known) or place + right.array.ndim > rank:
        raise UnsupportedFormError(f"at axis {place} of anything but a constant that fits there")
    trailing = rank - place - right.array.ndim
    return left, Known(right.name, right.array.reshape(right.array.shape + (1,) * trailing))


def _constant(value: Value | None) -> Array | None:
    match value:
        case Known():
            return value.array
        case Stored():
            return dequantized(value)
        case _:
            return None


def _scalar(value: Value | None) -> float:
    if isinstance(value, Known) and value.array.size == 1 and value.array.ndim <= 1:
        return float(value.array.reshape(()))
    raise UnsupportedFormError("of a norm and anything but a constant scalar")
