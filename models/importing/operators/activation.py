"""Functions of one element."""

from __future__ import annotations

import math

import numpy as np

from accelserve.kernels.ir import Add, Clip, HardSigmoid, HardSwish, LeakyRelu, Op, Sigmoid, Tanh
from accelserve.models.importing.arithmetic import affine, combine
from accelserve.models.importing.l2_normalization import with_least
from accelserve.models.importing.registry import Call, UnsupportedFormError, operator
from accelserve.models.importing.values import Norm, Tensor, Value


def _unary(call: Call, op: Op) -> Tensor:
    return call.elementwise(op, call.tensor(0))


@operator("Relu")
def relu(call: Call) -> Tensor:
    """``max(x, 0)``."""
    return _unary(call, Clip())


@operator("Clip", operands=3, reads="min max")
def clip(call: Call) -> Value:
    """Bounds in attributes (opset < 11) or operands; as part of an L2 normalization, its epsilon."""
    low = _bound(call, "min", 1, -math.inf)
    high = _bound(call, "max", 2, math.inf)
    x = call.operand(0)
    if isinstance(x, Norm) and x.stage != "square" and math.isinf(high):
        return with_least(x, low)
    return _unary(call, Clip(low, high))


def _bound(call: Call, name: str, position: int, default: float) -> float:
    if call.operand(position) is not None:
        bound = float(np.asarray(call.known(position, name), np.float32).reshape(()))
    else:
        bound = call.float_attribute(name, default)
    # The least and greatest float32 are how exporters write "no bound".
    return bound if abs(bound) < float(np.finfo(np.float32).max) else math.copysign(math.inf, bound)


@operator("LeakyRelu", reads="alpha")
def leaky_relu(call: Call) -> Tensor:
    """``x if x >= 0 else alpha * x``."""
    return _unary(call, LeakyRelu(call.float_attribute("alpha", 0.01)))


@operator("PRelu", operands=2)
def prelu(call: Call) -> Tensor:
    """One slope: LeakyRelu. A slope per channel: ``max(x, 0) + slope * min(x, 0)``."""
    slope = np.asarray(call.known(1, "slopes"), np.float32)
    rank = len(call.tensor(0).shape)
    if slope.ndim == 1 and slope.size > 1 and call.opset < 7:
        slope = slope.reshape(-1, *[1] * (rank - 2))  # one a channel; later sets broadcast as numpy does
    if slope.ndim > rank:
        raise UnsupportedFormError(f"with slopes of rank {slope.ndim} for a tensor of rank {rank}")
    if slope.size and np.all(slope == slope.ravel()[0]):
        return _unary(call, LeakyRelu(float(slope.ravel()[0])))
    x = call.settled(0)
    shape = (x.base, x.order)
    positive = Tensor(call.step(Clip(), (x.value,), "positive"), *shape)
    negative = Tensor(call.step(Clip(-math.inf, 0.0), (x.value,), "negative"), *shape)
    return combine(call, Add(), positive, affine(call, negative, mul=slope))


@operator("Sigmoid")
def sigmoid(call: Call) -> Tensor:
    """``1 / (1 + exp(-x))``."""
    return _unary(call, Sigmoid())


@operator("HardSigmoid", reads="alpha beta")
def hard_sigmoid(call: Call) -> Tensor:
    """``min(max(alpha * x + beta, 0), 1)``."""
    return _unary(call, HardSigmoid(call.float_attribute("alpha", 0.2), call.float_attribute("beta", 0.5)))


@operator("HardSwish")
def hard_swish(call: Call) -> Tensor:
    """``x * min(max(x / 6 + 0.5, 0), 1)``."""
    return _unary(call, HardSwish())


@operator("Tanh")
def tanh(call: Call) -> Tensor:
    """Hyperbolic tangent."""
    return _unary(call, Tanh())


@operator("Max", operands=None)
def maximum(call: Call) -> Value:
    """With a constant scalar: a lower bound."""
    x, bound = _with_scalar(call)
    if isinstance(x, Norm) and x.stage != "square":
        return with_least(x, bound)
    return call.elementwise(Clip(bound, math.inf), call.as_tensor(x))


@operator("Min", operands=None)
def minimum(call: Call) -> Tensor:
    """With a constant scalar: an upper bound."""
    x, bound = _with_scalar(call)
    return call.elementwise(Clip(-math.inf, bound), call.as_tensor(x))


def _with_scalar(call: Call) -> tuple[Value, float]:
    if len(call.operands) == 2:
        for position, other in ((0, 1), (1, 0)):
            value = call.operand(position)
            if isinstance(value, Norm | Tensor) and not isinstance(call.operand(other), Norm | Tensor):
                bound = call.known(other, "a bound")
                rank = len((value.of if isinstance(value, Norm) else value).shape)
                if bound.size == 1 and bound.ndim <= rank:
                    return value, float(bound.reshape(()))
    raise UnsupportedFormError("of anything but a tensor and a constant scalar")
