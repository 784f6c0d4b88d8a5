"""Sums and products of tensors and constants, wherever their axes stand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.ir import Add, Array, ChannelAffine, Mul, Reshape
from accelserve.models.importing.registry import Call, as_float32
from accelserve.models.importing.scope import identity
from accelserve.models.importing.values import IMAGE, Order, Tensor

Vector = NDArray[np.float32]


def affine(call: Call, x: Tensor, *, mul: Array | None = None, add: Array | None = None) -> Tensor:
    """``x * mul + add`` with constants; per channel where they allow it, else by broadcasting.

    Constants have ONNX's axis order; None stands for 1 and 0.
    """
    x = _of_rank(call, x, max(len(x.shape), *(0 if c is None else c.ndim for c in (mul, add))))
    scalar = all(c is None or c.size == 1 for c in (mul, add))
    x = x if scalar else call.settle(x)
    factors = _per_channel(call, x, mul, 1.0)
    summands = _per_channel(call, x, add, 0.0)
    if factors is not None and summands is not None:
        names = _constant(call, factors, "mul"), _constant(call, summands, "add")
        return call.elementwise(ChannelAffine(), x, *names)
    if mul is None and add is not None:
        return combine(call, Add(), x, _as_tensor(call, add, "add"))
    if add is None and mul is not None:
        return combine(call, Mul(), x, _as_tensor(call, mul, "mul"))
    raise AssertionError("callers give one constant that is not per channel")


def add_tensors(call: Call, a: Tensor, b: Tensor) -> Tensor:
    """Sum of two tensors, as the node's result."""
    return combine(call, Add(), a, b)


def combine(call: Call, op: Add | Mul, a: Tensor, b: Tensor, step: str | None = None) -> Tensor:
    """``op`` of two tensors that broadcast; ``step`` names a node on the way to the result."""
    if _stand_alike(a, b):
        operands, like = (a.value, b.value), a
        if step is None:
            return call.elementwise(op, like, b.value)
        return Tensor(call.step(op, operands, step), a.base, a.order, a.reshaped)
    rank = max(len(a.shape), len(b.shape))
    a, b = _of_rank(call, a, rank), _of_rank(call, b, rank)
    order = _common_order(a, b)
    names = call.scope.arranged(a, order), call.scope.arranged(b, order)
    if step is None:
        return call.result(op, names, order)
    return call.seen(call.step(op, names, step), order)


def _stand_alike(a: Tensor, b: Tensor) -> bool:
    return (a.base, a.order, a.reshaped) == (b.base, b.order, b.reshaped)


def _common_order(a: Tensor, b: Tensor) -> Order:
    settled = [t.order for t in (a, b) if t.reshaped is None]
    if IMAGE in settled:
        return IMAGE
    return settled[0] if settled else identity(a.shape)


def _of_rank(call: Call, x: Tensor, rank: int) -> Tensor:
    """``x`` with leading axes of size 1, as numpy's broadcasting adds them."""
    missing = rank - len(x.shape)
    if not missing:
        return x
    x = call.settle(x)
    ours = (1,) * missing + call.scope.type_of(x.value).shape
    name = f"{x.value}/rank{rank}"
    value = call.scope.emit(Reshape(ours), (x.value,), name, name)
    return call.seen(value, (*range(missing), *(axis + missing for axis in x.order)))


def _per_channel(call: Call, x: Tensor, constant: Array | None, default: float) -> Vector | None:
    """The constant as a vector along our last axis; None if it varies along another one, or widens ``x``."""
    ours = call.scope.type_of(x.value).shape
    if not ours:
        return None
    if constant is None or constant.size == 1:
        value = default if constant is None else as_float32(constant).ravel()[0]
        return np.full(ours[-1], value, np.float32)
    rank = len(x.shape)
    if constant.ndim > rank:
        return None
    shape = (1,) * (rank - constant.ndim) + constant.shape
    channel = x.order[-1]
    if any(size != 1 for axis, size in enumerate(shape) if axis != channel) or shape[channel] != ours[-1]:
        return None
    return as_float32(constant).reshape(-1)


def _constant(call: Call, vector: Vector, what: str) -> str:
    return call.scope.constant(vector, f"{call.node.name}/{what}")


def _as_tensor(call: Call, array: Array, what: str) -> Tensor:
    name = call.scope.constant(as_float32(array), f"{call.node.name}/{what}")
    return Tensor(name, array.shape, identity(array.shape))
