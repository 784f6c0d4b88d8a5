"""L2 normalization as frameworks spell it: a chain from x**2 to x / max(norm, epsilon), followed step by step."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

from accelserve.kernels.ir import L2Normalize
from accelserve.models.importing.registry import Call, UnsupportedFormError
from accelserve.models.importing.values import Norm, Order, Tensor

# x / (norm + e) and x / max(norm, e) differ by e / norm: nothing in float32 for the epsilons in use.
_LARGEST_ADDED_EPSILON = 1e-5


def begin(call: Call, x: Tensor, stage: Literal["square", "sum", "norm"], axis: int | None = None) -> Norm:
    """The first step; the node is the one to name if the chain leads nowhere."""
    return Norm(x, stage, axis, 0.0, (call.node.name, call.node.op))


def with_least(norm: Norm, bound: float) -> Norm:
    """A lower bound on the norm, or on its square."""
    if norm.stage not in {"sum", "norm"}:
        raise UnsupportedFormError("outside of an L2 normalization", norm.node)
    least = math.sqrt(max(bound, 0.0)) if norm.stage == "sum" else bound
    return replace(norm, epsilon=max(norm.epsilon, least))


def with_added(norm: Norm, summand: float) -> Norm:
    """A small number that is added against division by zero acts as a lower bound."""
    if not 0.0 <= summand <= _LARGEST_ADDED_EPSILON:
        raise UnsupportedFormError("outside of an L2 normalization", norm.node)
    return with_least(norm, summand)


def root(norm: Norm) -> Norm:
    """From the sum of squares to its root."""
    if norm.stage != "sum":
        raise UnsupportedFormError("outside of an L2 normalization", norm.node)
    return replace(norm, stage="norm")


def inverse(norm: Norm) -> Norm:
    """From the norm to 1 / norm."""
    if norm.stage != "norm":
        raise UnsupportedFormError("outside of an L2 normalization", norm.node)
    return replace(norm, stage="inverse")


def normalized(call: Call, x: Tensor, norm: Norm, stage: Literal["norm", "inverse"]) -> Tensor:
    """``x`` divided by its norm, the end of the chain."""
    if norm.stage != stage or norm.of != x or norm.axis is None:
        raise UnsupportedFormError("outside of an L2 normalization", norm.node)
    return normalize(call, x, norm.axis, norm.epsilon)


def normalize(call: Call, x: Tensor, axis: int, epsilon: float) -> Tensor:
    """Emit the normalization along an ONNX axis."""
    x = call.settle(x)
    others = [a for a in x.order if a != axis]
    order: Order = (*others, axis)
    # 1e-12 is what frameworks use where the file gives no epsilon; zero would divide by zero.
    return call.result(L2Normalize(epsilon or 1e-12), [call.scope.arranged(x, order)], order)
