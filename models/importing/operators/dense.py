"""Fully connected layers: Gemm, and MatMul with constant weights."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.ir import Array, Dense, Reshape
from accelserve.models.importing.arithmetic import add_tensors
from accelserve.models.importing.registry import Call, UnsupportedFormError, as_float32, dequantized, operator
from accelserve.models.importing.scope import identity
from accelserve.models.importing.values import Known, Stored, Tensor, Value


@operator(
    "Gemm",
    operands=3,
    reads="alpha beta transA transB",
    irrelevant={
        "broadcast": "sets before 7 need it where C is broadcast, and C is broadcast where it must be"
    },
)
def gemm(call: Call) -> Tensor:
    """``alpha * A @ B + beta * C`` with constant B; C may be a bias per column, or any tensor."""
    x = call.tensor(0)
    if call.int_attribute("transA", 0) or len(x.shape) != 2:
        raise UnsupportedFormError(f"with transA, or an activation of rank {len(x.shape)}; only rank 2 is")
    weights = _scaled(_constant(call, 1), call.float_attribute("alpha", 1.0))
    if not call.int_attribute("transB", 0):
        weights = _transposed(weights)
    source, weights = _flat_source(call, x, weights)
    operands = [source, call.weights(weights, (0, 1))]
    addend = call.operand(2)
    beta = call.float_attribute("beta", 1.0)
    if addend is None or beta == 0.0:
        return call.result(Dense(), operands, (0, 1))
    bias = _bias(addend, beta, weights.array.shape[0])
    if bias is not None:
        return call.result(Dense(), [*operands, call.weights(bias, (0,))], (0, 1))
    if beta != 1.0:
        raise UnsupportedFormError(f"with beta {beta} and a C computed at run time")
    product = call.seen(call.step(Dense(), operands, "product"), (0, 1))
    return add_tensors(call, product, call.as_tensor(addend, 2))


@operator("MatMul", operands=2)
def matmul(call: Call) -> Tensor:
    """``A @ B`` with constant B [C, K]; leading axes of A are rows."""
    weights = _constant(call, 1)
    x = call.tensor(0)
    if weights.array.ndim != 2 or len(x.shape) < 2:
        raise UnsupportedFormError(f"of ranks {len(x.shape)} and {weights.array.ndim}; only N and 2 are")
    if len(x.shape) == 2:
        source, weights = _flat_source(call, x, _transposed(weights))
        return call.result(Dense(), [source, call.weights(weights, (0, 1))], (0, 1))
    rows = (math.prod(x.shape[:-1]), x.shape[-1])
    flat = call.step(Reshape(rows), [call.scope.arranged(x, identity(x.shape))], "rows")
    product = call.step(Dense(), [flat, call.weights(_transposed(weights), (0, 1))], "product")
    shape = (*x.shape[:-1], weights.array.shape[1])
    return call.result(Reshape(shape), [product], identity(shape))


def _constant(call: Call, position: int) -> Known | Stored:
    value = call.operand(position)
    if not isinstance(value, Known | Stored):
        raise UnsupportedFormError("of two values computed at run time; one must be constant")
    return value


def _scaled(weights: Known | Stored, factor: float) -> Known | Stored:
    if factor == 1.0:
        return weights
    array = weights.array if isinstance(weights, Known) else dequantized(weights)
    return Known(weights.name, as_float32(array) * np.float32(factor))


def _transposed(weights: Known | Stored) -> Known | Stored:
    array: Array = weights.array.T
    if isinstance(weights, Known):
        return replace(weights, array=array)
    return replace(weights, array=array, axis=1 - weights.axis)


def _flat_source(call: Call, x: Tensor, weights: Known | Stored) -> tuple[str, Known | Stored]:
    """The activation [N, C] and weights [K, C] for it.

    A flattened image that stands as NHWC stays so: the weights' columns are permuted instead.
    """
    waits = x.reshaped is not None and x.reshaped[0] == x.base[0] and x.order[0] == 0
    if not waits:
        return call.scope.arranged(x, (0, 1)), weights
    flat = call.step(Reshape(x.shape), [x.value], "flattened")
    columns = np.arange(x.shape[1]).reshape(x.base[1:])
    columns = columns.transpose([axis - 1 for axis in x.order[1:]]).ravel()
    if weights.array.shape[1] != columns.size:
        return flat, weights  # Dense refuses it with the sizes
    return flat, _column_permuted(weights, columns)


def _column_permuted(weights: Known | Stored, columns: NDArray[np.intp]) -> Known | Stored:
    array = weights.array[:, columns]
    if isinstance(weights, Known):
        return replace(weights, array=array)
    if weights.axis == 1 and weights.scale.ndim:
        points = weights.zero_point[columns] if weights.zero_point.ndim else weights.zero_point
        return replace(weights, array=array, scale=weights.scale[columns], zero_point=points)
    return replace(weights, array=array)


def _bias(value: Value, beta: float, columns: int) -> Known | Stored | None:
    """C as a bias [K], or None if it is no constant of that form."""
    if isinstance(value, Stored) and beta == 1.0 and value.array.shape == (columns,):
        return value
    if not isinstance(value, Known | Stored):
        return None
    array = as_float32(value.array) if isinstance(value, Known) else dequantized(value)
    if array.size == 1:
        array = np.full(columns, array.ravel()[0])
    if array.shape not in {(columns,), (1, columns)}:
        return None
    return Known(value.name, array.reshape(columns) * np.float32(beta))
