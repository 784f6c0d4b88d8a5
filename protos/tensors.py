"""TensorProto <-> numpy, as TensorFlow's runtime reads and writes it, with no Python loop over elements.

Reading: `tensor_content` wins over the typed field when it is not empty; of typed values that are too few the last is
repeated, none at all means zeros, and too many are cut off. Strings are the exception: there must be exactly as many
as the shape says, since a picture that is repeated or lost is a mistake that nobody sees. (Source: TensorFlow's
`core/framework/tensor.cc`, `FromProtoField`.)

Dtypes: all that numpy has, complex ones and the quantised integers (as plain integers) included. DT_BFLOAT16 reads as
float32, which holds every bfloat16 exactly. DT_RESOURCE, DT_VARIANT, references, floats of eight or fewer bits and
integers of fewer than eight are refused.

Pure functions: no state, safe to call from any thread.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from accelserve.protos import packed_fields
from accelserve.protos import tensorflow as tf
from accelserve.protos.dtypes import Encoding, dtype_name, encoding_of, numpy_dtype, tensorflow_dtype
from accelserve.protos.errors import TensorShapeError, TensorValueError
from accelserve.protos.shapes import DEFAULT_LIMIT_BYTES, allowed_count, element_count, shape_of, shape_proto
from accelserve.protos.string_tensors import from_strings, string_bytes, to_strings

__all__ = [
    "DEFAULT_LIMIT_BYTES",
    "Array",
    "dtype_name",
    "element_count",
    "encoded",
    "from_array",
    "from_content",
    "from_strings",
    "numpy_dtype",
    "shape_of",
    "shape_proto",
    "tensorflow_dtype",
    "to_array",
    "to_strings",
]

Array = npt.NDArray[Any]

_FLOAT32 = np.dtype("<f4")
# So many values are read sooner one by one than as a block, which takes more code, and that is seldom in the caches.
_FEW = 128


def to_array(tensor: tf.TensorProto, *, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> Array:
    """A tensor's elements, shaped.

    Args:
        tensor: any dtype that `numpy_dtype` knows; DT_STRING gives an object array of bytes.
        limit_bytes: bytes that the array may take; checked before it is allocated. For strings, eight bytes each.

    Returns:
        An array of `numpy_dtype(tensor.dtype)`; maybe read-only, since it may share the message's bytes.

    Raises:
        TensorShapeError: see `shape_of`; or `tensor_content` has another length than the shape asks for; or the number
            of strings is not that of the shape.
        TensorDtypeError: see `numpy_dtype`.
        TensorValueError: a typed value outside the dtype's range.
        TensorTooLargeError: more than `limit_bytes`.
    """
    if tensor.dtype == tf.DT_STRING:
        shape, strings = to_strings(tensor, limit_bytes=limit_bytes)
        if len(strings) == 1:  # a picture, as a rule
            single: Array = np.empty(shape, dtype=object)
            single.fill(strings[0])
            return single
        array: Array = np.empty(len(strings), dtype=object)
        array[:] = list(strings)
        return array.reshape(shape)
    if tensor.dtype == tf.DT_FLOAT and _has_few_floats(tensor):
        return _few_floats(tensor, limit_bytes)
    encoding = encoding_of(tensor.dtype)
    shape = shape_of(tensor.tensor_shape)
    count = allowed_count(shape, numpy_dtype(tensor.dtype).itemsize, limit_bytes)
    content = tensor.tensor_content
    flat = _from_content(content, encoding, shape, count) if content else _from_field(tensor, encoding, count)
    return _as_values(flat, tensor.dtype).reshape(shape)


def from_array(array: npt.ArrayLike, *, as_content: bool = False) -> tf.TensorProto:
    """A tensor of an array.

    Args:
        array: of any dtype that `tensorflow_dtype` knows. Strings (object, bytes or str; str is sent as UTF-8).
        as_content: True puts the elements into `tensor_content`: smallest and fastest. False uses the typed field, with
            every element, which is what TensorFlow Serving answers and old clients read. Strings are always typed.

    Raises:
        TensorDtypeError: see `tensorflow_dtype`; or an object array holds something other than bytes and str.
    """
    return tf.TensorProto.FromString(encoded(array, as_content=as_content))


def encoded(array: npt.ArrayLike, *, as_content: bool = False) -> bytes:
    """What `from_array` makes, as it stands on the wire: a message takes it in by `MergeFromString`.

    Raises:
        TensorDtypeError: as `from_array`.
    """
    values = np.asarray(array)
    if values.dtype is _FLOAT32 and not as_content:  # what networks answer
        return _float_head(values.shape) + values.tobytes()
    dtype = tensorflow_dtype(values.dtype)
    if dtype == tf.DT_STRING:
        return from_strings(string_bytes(values), values.shape).SerializeToString()
    encoding = encoding_of(dtype)
    bits = _bits(values) if encoding.is_bits else values
    plain = np.ascontiguousarray(bits, dtype=encoding.content)
    head = _head(dtype, values.shape)
    if not as_content and encoding.field in packed_fields.FIELD_NUMBERS:
        return head + packed_fields.encoded_block(encoding.field, plain.tobytes())
    rest = tf.TensorProto()
    if as_content:
        rest.tensor_content = plain.tobytes()
    else:
        getattr(rest, encoding.field).extend(plain.reshape(-1).tolist())
    return head + rest.SerializeToString()


@lru_cache(maxsize=256)
def _head(dtype: int, shape: tuple[int, ...]) -> bytes:
    """Dtype and shape, which one network's answers share."""
    return tf.TensorProto(dtype=dtype, tensor_shape=shape_proto(shape)).SerializeToString()


@lru_cache(maxsize=256)
def _float_head(shape: tuple[int, ...]) -> bytes:
    """All of a tensor of typed float32 values but the values themselves."""
    return _head(tf.DT_FLOAT, shape) + packed_fields.block_head("float_val", 4 * math.prod(shape))


def from_content(content: bytes, shape: Sequence[int], dtype: int) -> tf.TensorProto:
    """A tensor of raw little-endian bytes.

    Raises:
        TensorDtypeError: see `numpy_dtype`; or DT_STRING, which has no raw form here.
        TensorShapeError: a negative dimension, or another number of bytes than shape and dtype ask for.
    """
    encoding = encoding_of(dtype)
    tensor = tf.TensorProto(dtype=dtype, tensor_shape=shape_proto(shape), tensor_content=content)
    dims = shape_of(tensor.tensor_shape)
    _check_content_size(len(content), encoding, dims, element_count(dims))
    return tensor


def _check_content_size(size_bytes: int, encoding: Encoding, shape: tuple[int, ...], count: int) -> None:
    expected = count * encoding.content.itemsize
    if size_bytes != expected:
        raise TensorShapeError(
            f"A tensor of shape {list(shape)} with elements of {encoding.content.itemsize} bytes has {expected} bytes "
            f"of tensor_content, got {size_bytes}.",
            shape=shape,
            expected=expected,
            got=size_bytes,
        )


def _from_content(content: bytes, encoding: Encoding, shape: tuple[int, ...], count: int) -> Array:
    _check_content_size(len(content), encoding, shape, count)
    if encoding.content.kind == "b":
        # Any byte but 0 is true; a numpy bool of another byte than 0 and 1 would misbehave.
        truths: Array = np.frombuffer(content, dtype=np.uint8) != 0
        return truths
    return np.frombuffer(content, dtype=encoding.content)


def _has_few_floats(tensor: tf.TensorProto) -> bool:
    values = tensor.float_val
    # Python's floats would make a signalling NaN a quiet one.
    return 0 < len(values) <= _FEW and not tensor.tensor_content and not math.isnan(sum(values))


def _few_floats(tensor: tf.TensorProto, limit_bytes: int) -> Array:
    """The elements in ``float_val``, which holds at least one and no NaN."""
    shape = shape_of(tensor.tensor_shape)
    count = allowed_count(shape, _FLOAT32.itemsize, limit_bytes)
    values = np.fromiter(tensor.float_val, _FLOAT32)[:count]
    if values.size < count:
        values = np.concatenate([values, np.full(count - values.size, values[-1])])
    return values.reshape(shape)


def _from_field(tensor: tf.TensorProto, encoding: Encoding, count: int) -> Array:
    values = _field_values(tensor, encoding)
    if encoding.content.kind == "c":
        values = values[: values.size // 2 * 2].view(encoding.content)
    values = values[:count]
    if values.dtype != encoding.content:
        _check_range(values, encoding.content, dtype_name(tensor.dtype))
        values = values.astype(encoding.content)
    missing = count - values.size
    if missing == 0:
        return values
    filler = values[-1] if values.size else encoding.content.type(0)
    return np.concatenate([values, np.full(missing, filler, dtype=encoding.content)])


def _field_values(tensor: tf.TensorProto, encoding: Encoding) -> Array:
    if encoding.field in packed_fields.FIELD_NUMBERS:
        return np.frombuffer(packed_fields.read_block(tensor, encoding.field), dtype=encoding.field_dtype)
    # numpy reads these through protobuf's array interface where the runtime has one, and one by one elsewhere.
    return np.array(getattr(tensor, encoding.field), dtype=encoding.field_dtype)


def _check_range(values: Array, narrow: np.dtype[Any], dtype: str) -> None:
    bounds = np.iinfo(narrow)
    outside = (values < bounds.min) | (values > bounds.max)
    if outside.any():
        index = int(outside.argmax())
        raise TensorValueError(
            f"Element {index} is {values[index]}, but {dtype} holds {bounds.min} to {bounds.max}.",
            dtype=dtype,
            index=index,
        )


def _as_values(flat: Array, dtype: int) -> Array:
    if dtype == tf.DT_HALF:
        return flat.view(np.dtype("<f2"))
    if dtype == tf.DT_BFLOAT16:
        # A bfloat16 is the upper half of a float32.
        widened: Array = (flat.astype(np.uint32) << 16).view(np.float32)
        return widened
    return flat


def _bits(values: Array) -> Array:
    if values.dtype.kind == "f":
        return np.ascontiguousarray(values, dtype="<f2").view("<u2")
    # bfloat16 from ml_dtypes, whose kind is void and whose byte order is the machine's.
    return np.ascontiguousarray(values).view(np.uint16)
