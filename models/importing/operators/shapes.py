"""Shapes and constants as values: all known at import, since every shape is."""

from __future__ import annotations

import math

import numpy as np

from accelserve.models.importing.registry import Call, UnsupportedFormError, operator
from accelserve.models.importing.tensor_data import MAX_TENSOR_BYTES
from accelserve.models.importing.values import Known, Stored, Tensor, Value


def _shape(value: Value | None) -> tuple[int, ...]:
    match value:
        case Tensor():
            return value.shape
        case Known() | Stored():
            return value.array.shape
        case _:
            raise UnsupportedFormError("of a value without a shape")


@operator("Shape", reads="end start")
def shape(call: Call) -> Known:
    """The static shape, or a part of it."""
    sizes = _shape(call.operand(0))
    start, end = call.int_attribute("start", 0), call.int_attribute("end", len(sizes))
    return Known(call.node.outputs[0], np.array(sizes[start:end], np.int64))


@operator("Size")
def size(call: Call) -> Known:
    """Number of elements."""
    return Known(call.node.outputs[0], np.array(math.prod(_shape(call.operand(0))), np.int64))


@operator("Constant", operands=0, reads="value value_float value_floats value_int value_ints")
def constant(call: Call) -> Known:
    """Any dense constant."""
    for name, value in call.node.attributes.items():
        if name in {"value", "value_float", "value_int", "value_floats", "value_ints"} and value is not None:
            dtype = {"f": np.float32, "i": np.int64}.get(name[6:7])
            return Known(call.node.outputs[0], np.asarray(value, dtype))
    raise UnsupportedFormError("that is sparse or of strings")


@operator("ConstantOfShape", reads="value")
def constant_of_shape(call: Call) -> Known:
    """One element, seen everywhere: however large, it takes no memory."""
    sizes = call.known_ints(0, "a shape") if call.known(0, "a shape").size else ()
    value = call.node.attributes.get("value")
    element = np.zeros((), np.float32) if not isinstance(value, np.ndarray) else value.reshape(())
    if min(sizes, default=1) < 0 or math.prod(sizes) * element.itemsize > MAX_TENSOR_BYTES:
        raise UnsupportedFormError(f"of absurd shape {list(sizes)}")
    return Known(call.node.outputs[0], np.broadcast_to(element, sizes))
