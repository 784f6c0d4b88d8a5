"""QuantizeLinear and DequantizeLinear, which quantized files consist of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import onnx

from accelserve.kernels.ir import Array, Dequantize, DType, Quantize
from accelserve.models.importing.registry import Call, UnsupportedFormError, operator
from accelserve.models.importing.tensor_data import FLOATS, element_type_name
from accelserve.models.importing.values import Known, Stored, Tensor

_INTEGERS = {np.dtype(name) for name in ("uint8", "int8", "int32")}


def _parameters(call: Call, dtype: np.dtype[np.generic] | None) -> tuple[Array, Array]:
    """Scale and zero point, scalars or vectors; an absent zero point is 0 of ``dtype``."""
    scale = np.asarray(call.known(1, "a scale"), np.float32)
    if call.operand(2) is not None:
        zero_point = call.known(2, "a zero point")
    else:
        zero_point = np.zeros(scale.shape, dtype or np.uint8)
    if dtype is not None and zero_point.dtype != dtype:
        raise UnsupportedFormError(f"of {dtype} with a zero point of {zero_point.dtype}")
    if zero_point.dtype not in _INTEGERS or scale.ndim > 1 or call.int_attribute("block_size", 0):
        raise UnsupportedFormError(f"to {zero_point.dtype} with scales of shape {list(scale.shape)}")
    if not np.all(np.isfinite(scale) & (scale > 0)):
        raise UnsupportedFormError("with a scale that is not positive")
    if zero_point.size not in {1, scale.size}:
        raise UnsupportedFormError(f"with {scale.size} scales but {zero_point.size} zero points")
    if scale.shape == (1,):
        return scale.reshape(()), zero_point.reshape(())
    return scale, np.broadcast_to(zero_point.reshape(-1 if zero_point.size > 1 else ()), scale.shape)


def _check_length(scale: Array, shape: Sequence[int], axis: int) -> None:
    if scale.ndim and scale.size != shape[axis]:
        raise UnsupportedFormError(f"with {scale.size} scales along axis {axis} of a tensor of {list(shape)}")


def _named(call: Call, scale: Array, zero_point: Array) -> tuple[str, str]:
    names = []
    for position, array, what in ((1, scale, "scale"), (2, zero_point, "zero_point")):
        operand = call.operand(position)
        name = operand.name if isinstance(operand, Known) else f"{call.node.name}/{what}"
        names.append(call.scope.constant(array, name))
    return names[0], names[1]


_SATURATE = {"saturate": "for codes of 8-bit floats, which are refused"}


@operator("QuantizeLinear", operands=3, reads="axis block_size output_dtype precision", irrelevant=_SATURATE)
def quantize(call: Call) -> Tensor:
    """To uint8 or int8, as the zero point or ``output_dtype`` says, else to uint8."""
    if call.int_attribute("precision", 0) not in {0, onnx.TensorProto.FLOAT}:
        raise UnsupportedFormError("that divides in another precision than float32")
    scale, zero_point = _parameters(call, _code_type(call))
    if zero_point.dtype == np.int32:
        raise UnsupportedFormError("to int32; only to uint8 and int8")
    x = call.tensor(0) if scale.ndim == 0 else call.settled(0)
    axis = _axis(call, x, scale)
    return call.elementwise(Quantize(axis), x, *_named(call, scale, zero_point))


@operator("DequantizeLinear", operands=3, reads="axis block_size output_dtype")
def dequantize(call: Call) -> Tensor | Stored:
    """Of an activation: a node. Of constant integers: weights, which wait for the arrangement that their user needs."""
    value = call.operand(0)
    if element_type_name(call.int_attribute("output_dtype", 0) or 1) not in FLOATS:
        raise UnsupportedFormError("to anything but floats")
    if isinstance(value, Known):
        scale, zero_point = _parameters(call, value.array.dtype)
        if value.array.dtype not in _INTEGERS:
            raise UnsupportedFormError(f"of {value.array.dtype}")
        axis = call.axis(call.int_attribute("axis", 1), value.array.ndim) if scale.ndim else 0
        _check_length(scale, value.array.shape, axis)
        if zero_point.dtype == np.int32 and zero_point.any():
            return _without_zero_point(Stored(value.name, value.array, scale, zero_point, axis))
        return Stored(value.name, value.array, scale, zero_point, axis)
    x = call.tensor(0)
    dtype = call.scope.type_of(x.value).dtype
    if dtype not in {DType.U8, DType.S8, DType.S32}:
        raise UnsupportedFormError(f"of {dtype.value}")
    scale, zero_point = _parameters(call, dtype.numpy)
    x = x if scale.ndim == 0 else call.settle(x)
    return call.elementwise(Dequantize(_axis(call, x, scale)), x, *_named(call, scale, zero_point))


def _code_type(call: Call) -> np.dtype[np.generic] | None:
    """What ``output_dtype`` says, None if it is absent."""
    kind = call.int_attribute("output_dtype", 0)
    if not kind:
        return None
    try:
        return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind))
    except KeyError:
        raise UnsupportedFormError(f"to the element type {kind}") from None


def _without_zero_point(weights: Stored) -> Stored:
    """The same 32-bit weights about zero: the standard knows no zero point of 32 bits but 0."""
    shape = [1] * weights.array.ndim
    if weights.zero_point.ndim:
        shape[weights.axis] = -1
    moved = weights.array.astype(np.int64) - weights.zero_point.astype(np.int64).reshape(shape)
    if np.abs(moved).max(initial=0) > np.iinfo(np.int32).max:
        raise UnsupportedFormError("whose zero point moves weights out of 32 bits")
    return replace(
        weights,
        name=f"{weights.name}/about_zero",
        array=moved.astype(np.int32),
        zero_point=np.zeros_like(weights.zero_point),
    )


def _axis(call: Call, x: Tensor, scale: Array) -> int:
    if scale.ndim == 0:
        return -1
    axis = call.axis(call.int_attribute("axis", 1), len(x.shape))
    _check_length(scale, x.shape, axis)
    return x.order.index(axis)
