"""TensorFlow's element types: their names, their numpy dtypes, and how their elements travel in a TensorProto."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from accelserve.protos import tensorflow as tf
from accelserve.protos.errors import TensorDtypeError


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How the elements of one TensorFlow dtype travel.

    Attributes:
        content: numpy dtype of the elements in `tensor_content`, little-endian.
        field: the typed field.
        field_dtype: numpy dtype of the values in it.
        is_bits: the field holds the bit patterns of the elements rather than their values.
    """

    content: np.dtype[Any]
    field: str
    field_dtype: np.dtype[Any]
    is_bits: bool = False


def _encoding(content: str, field: str, field_dtype: str | None = None, *, is_bits: bool = False) -> Encoding:
    return Encoding(
        content=np.dtype(content),
        field=field,
        field_dtype=np.dtype(content if field_dtype is None else field_dtype),
        is_bits=is_bits,
    )


_ENCODINGS: Final[dict[int, Encoding]] = {
    tf.DT_FLOAT: _encoding("<f4", "float_val"),
    tf.DT_DOUBLE: _encoding("<f8", "double_val"),
    tf.DT_INT32: _encoding("<i4", "int_val"),
    tf.DT_UINT8: _encoding("u1", "int_val", "<i4"),
    tf.DT_INT16: _encoding("<i2", "int_val", "<i4"),
    tf.DT_INT8: _encoding("i1", "int_val", "<i4"),
    tf.DT_COMPLEX64: _encoding("<c8", "scomplex_val", "<f4"),
    tf.DT_INT64: _encoding("<i8", "int64_val"),
    tf.DT_BOOL: _encoding("?", "bool_val"),
    tf.DT_QINT8: _encoding("i1", "int_val", "<i4"),
    tf.DT_QUINT8: _encoding("u1", "int_val", "<i4"),
    tf.DT_QINT32: _encoding("<i4", "int_val"),
    tf.DT_BFLOAT16: _encoding("<u2", "half_val", "<i4", is_bits=True),
    tf.DT_QINT16: _encoding("<i2", "int_val", "<i4"),
    tf.DT_QUINT16: _encoding("<u2", "int_val", "<i4"),
    tf.DT_UINT16: _encoding("<u2", "int_val", "<i4"),
    tf.DT_COMPLEX128: _encoding("<c16", "dcomplex_val", "<f8"),
    tf.DT_HALF: _encoding("<u2", "half_val", "<i4", is_bits=True),
    tf.DT_UINT32: _encoding("<u4", "uint32_val"),
    tf.DT_UINT64: _encoding("<u8", "uint64_val"),
}
# From numpy's dtypes (by name, so that ml_dtypes' bfloat16 is known without importing it).
_TO_TENSORFLOW: Final[dict[str, int]] = {
    "float16": tf.DT_HALF,
    "bfloat16": tf.DT_BFLOAT16,
    "float32": tf.DT_FLOAT,
    "float64": tf.DT_DOUBLE,
    "int8": tf.DT_INT8,
    "int16": tf.DT_INT16,
    "int32": tf.DT_INT32,
    "int64": tf.DT_INT64,
    "uint8": tf.DT_UINT8,
    "uint16": tf.DT_UINT16,
    "uint32": tf.DT_UINT32,
    "uint64": tf.DT_UINT64,
    "bool": tf.DT_BOOL,
    "complex64": tf.DT_COMPLEX64,
    "complex128": tf.DT_COMPLEX128,
}
# Of those whose arrays have another dtype than what travels.
_ARRAYS: Final[dict[int, np.dtype[Any]]] = {
    tf.DT_STRING: np.dtype(object),
    tf.DT_HALF: np.dtype("<f2"),
    tf.DT_BFLOAT16: np.dtype("<f4"),
}
_FLOAT32: Final = np.dtype(np.float32)


def dtype_name(dtype: int) -> str:
    """TensorFlow's name of a dtype: 1 -> `DT_FLOAT`; for a number without a name, the number."""
    descriptor = tf.DataType.DESCRIPTOR.values_by_number.get(dtype)
    return str(dtype) if descriptor is None else str(descriptor.name)


def numpy_dtype(dtype: int) -> np.dtype[Any]:
    """The numpy dtype that `to_array` gives for a TensorFlow dtype; object for DT_STRING.

    Raises:
        TensorDtypeError: it has none.
    """
    return _ARRAYS[dtype] if dtype in _ARRAYS else encoding_of(dtype).content


def tensorflow_dtype(dtype: npt.DTypeLike) -> int:
    """The TensorFlow dtype of a numpy dtype; DT_STRING for object, bytes and str.

    Raises:
        TensorDtypeError: it has none.
    """
    described = np.dtype(dtype)
    if described is _FLOAT32:  # what networks answer; a dtype's name is slow to ask for
        return tf.DT_FLOAT
    if described.kind in "OSU":
        return tf.DT_STRING
    if described.name not in _TO_TENSORFLOW:
        raise TensorDtypeError(f"numpy's {described.name} has no TensorFlow dtype.", dtype=described.name)
    return _TO_TENSORFLOW[described.name]


def encoding_of(dtype: int) -> Encoding:
    """How the elements of a numeric dtype travel.

    Raises:
        TensorDtypeError: it cannot be read as numbers here.
    """
    encoding = _ENCODINGS.get(dtype)
    if encoding is None:
        name = dtype_name(dtype)
        raise TensorDtypeError(f"Tensors of {name} cannot be read as numbers here.", dtype=name)
    return encoding
