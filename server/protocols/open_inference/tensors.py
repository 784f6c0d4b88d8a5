"""Tensors of the protocol to arrays and back. Pure.

Elements travel raw, little-endian in row-major order (of BYTES each with its length in front, four bytes), or typed, in
one of the fields of InferTensorContents, or as JSON.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Container, Sequence
from typing import Any

import numpy as np

from accelserve.protos import inference
from accelserve.server.dataplane.servable import Array
from accelserve.server.errors import InvalidRequestError

BYTES = "BYTES"
_DTYPES = {
    "BOOL": "?",
    "UINT8": "u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
_DATATYPES = {np.dtype(code): name for name, code in _DTYPES.items()}
_FIELDS = {
    "BOOL": "bool_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    BYTES: "bytes_contents",
}
_LENGTH = struct.Struct("<I")


def datatype_of(dtype: str) -> str:
    """The protocol's name of an element type: ``float32`` -> ``FP32``, ``string`` -> ``BYTES``."""
    return BYTES if dtype in ("string", "object") else _DATATYPES[np.dtype(dtype)]


def check_datatype(name: str, datatype: str) -> None:
    """InvalidRequestError for a name that is none of an element type."""
    if datatype != BYTES:
        _dtype(name, datatype)


def check_new_input(name: str, before: Container[str]) -> None:
    """InvalidRequestError for an input that a request has twice: either could be meant."""
    if name in before:
        raise InvalidRequestError(f"input '{name}' is given twice")


def check_new_output(name: str, before: Container[str]) -> None:
    """InvalidRequestError for an output that a request wants twice: a response has it once."""
    if name in before:
        raise InvalidRequestError(f"output '{name}' is asked for twice")


def array_of_raw(name: str, datatype: str, shape: Sequence[int], raw: bytes) -> Array:
    """An array of raw bytes; strings as an object array.

    Raises:
        InvalidRequestError: unknown datatype, impossible shape, or another number of bytes than these ask for.
    """
    count = _count(name, shape)
    if datatype == BYTES:
        return _shaped(name, _objects(_split(name, raw, count)), shape)
    dtype = _dtype(name, datatype)
    expected = count * dtype.itemsize
    if len(raw) != expected:
        raise InvalidRequestError(
            f"unexpected total byte size {len(raw)} for inference input '{name}', expecting {expected}"
        )
    return _shaped(name, _array(raw, dtype), shape)


def array_of_contents(
    name: str, datatype: str, shape: Sequence[int], contents: inference.InferTensorContents
) -> Array:
    """An array of typed contents; raises as ``array_of_raw``."""
    field = _FIELDS.get(datatype)
    if field is None:
        _dtype(name, datatype)
        raise InvalidRequestError(f"input '{name}': {datatype} has no typed contents; send it raw")
    return array_of_values(name, datatype, shape, getattr(contents, field))


def array_of_values(name: str, datatype: str, shape: Sequence[int], values: Sequence[Any]) -> Array:
    """An array of Python values in row-major order; raises as ``array_of_raw``."""
    count = _count(name, shape)
    if len(values) != count:
        raise InvalidRequestError(
            f"inference input '{name}' of shape {list(shape)} has {count} elements, got {len(values)}"
        )
    if datatype == BYTES:
        return _shaped(name, _objects(list(values)), shape)
    try:
        with np.errstate(over="ignore"):  # beyond a float's range is infinity, as in raw tensors
            array: Array = np.array(values, _dtype(name, datatype))
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidRequestError(f"input '{name}' holds what is no {datatype}: {error}") from error
    return _shaped(name, array, shape)


def raw_of(array: Array) -> bytes:
    """The raw bytes of an array; strings with their lengths in front."""
    if array.dtype != object:
        return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    return b"".join(_LENGTH.pack(len(item)) + item for item in array.reshape(-1).tolist())


def contents_of(array: Array) -> inference.InferTensorContents:
    """The typed contents of an array of any type but FP16."""
    field = _FIELDS[datatype_of(array.dtype.name)]
    return inference.InferTensorContents(**{field: array.reshape(-1).tolist()})


def has_contents(array: Array) -> bool:
    """Whether the protocol has a typed field for the array's elements."""
    return datatype_of(array.dtype.name) in _FIELDS


def _array(raw: bytes, dtype: np.dtype[Any]) -> Array:
    if dtype.kind == "b":  # any byte but 0 is true; numpy would keep the byte
        truths: Array = np.frombuffer(raw, np.uint8) != 0
        return truths
    return np.frombuffer(raw, dtype)


def _shaped(name: str, flat: Array, shape: Sequence[int]) -> Array:
    try:
        return flat.reshape(shape)
    except ValueError as error:  # more dimensions than numpy has, or sizes beyond it beside a 0
        raise InvalidRequestError(
            f"inference input '{name}' cannot have shape {list(shape)}: {error}"
        ) from error


def _dtype(name: str, datatype: str) -> np.dtype[Any]:
    code = _DTYPES.get(datatype)
    if code is None:
        known = ", ".join([BYTES, *_DTYPES])
        raise InvalidRequestError(f"inference input '{name}' has datatype '{datatype}'; known are {known}")
    return np.dtype(code)


def _count(name: str, shape: Sequence[int]) -> int:
    if any(size < 0 for size in shape):
        raise InvalidRequestError(f"inference input '{name}' has shape {list(shape)}; sizes are 0 or more")
    return math.prod(shape)


def _split(name: str, raw: bytes, count: int) -> list[bytes]:
    # Counted before it is looped over: every element takes four bytes at least.
    if count * _LENGTH.size > len(raw):
        raise _broken(name, count, len(raw))
    items: list[bytes] = []
    position = 0
    for _ in range(count):
        if position + _LENGTH.size > len(raw):
            raise _broken(name, count, len(raw))
        (length,) = _LENGTH.unpack_from(raw, position)
        position += _LENGTH.size
        items.append(raw[position : position + length])
        position += length
    if position != len(raw):
        raise _broken(name, count, len(raw))
    return items


def _broken(name: str, count: int, size: int) -> InvalidRequestError:
    return InvalidRequestError(
        f"inference input '{name}': its {size} bytes are not {count} elements of BYTES, each with its length in "
        "front as four bytes, little-endian"
    )


def _objects(items: list[Any]) -> Array:
    array = np.empty(len(items), object)
    array[:] = items
    return array
