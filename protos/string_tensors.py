"""Tensors of strings, which is what encoded images are: read and written without an array in between."""

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from accelserve.protos import tensorflow as tf
from accelserve.protos.dtypes import dtype_name
from accelserve.protos.errors import TensorDtypeError, TensorShapeError
from accelserve.protos.shapes import DEFAULT_LIMIT_BYTES, allowed_count, element_count, shape_of


def to_strings(
    tensor: tf.TensorProto, *, limit_bytes: int = DEFAULT_LIMIT_BYTES
) -> tuple[tuple[int, ...], Sequence[bytes]]:
    """A string tensor's shape and its elements in row-major order, without making an array of them.

    Raises:
        TensorDtypeError: not DT_STRING.
        TensorShapeError: see `shape_of`; or the number of strings is not that of the shape; or `tensor_content` is
            broken.
        TensorTooLargeError: more than `limit_bytes`, at eight bytes per string.
    """
    if tensor.dtype != tf.DT_STRING:
        name = dtype_name(tensor.dtype)
        raise TensorDtypeError(f"Expected a tensor of strings, got {name}.", dtype=name)
    shape = shape_of(tensor.tensor_shape)
    count = allowed_count(shape, 8, limit_bytes)
    strings = (
        _split_strings(tensor.tensor_content, shape, count) if tensor.tensor_content else tensor.string_val
    )
    if len(strings) != count:
        raise TensorShapeError(
            f"A string tensor of shape {list(shape)} has {count} elements, got {len(strings)}.",
            shape=shape,
            expected=count,
            got=len(strings),
        )
    return shape, strings


def from_strings(strings: Sequence[bytes], shape: Sequence[int] | None = None) -> tf.TensorProto:
    """A string tensor of shape `shape`, or [len(strings)].

    Raises:
        TensorShapeError: the shape has another number of elements.
    """
    dims = (len(strings),) if shape is None else tuple(shape)
    if element_count(dims) != len(strings):
        raise TensorShapeError(
            f"Shape {list(dims)} has {element_count(dims)} elements, got {len(strings)} strings.",
            shape=dims,
            expected=element_count(dims),
            got=len(strings),
        )
    tensor = tf.TensorProto()
    fill(tensor, strings, dims)
    return tensor


def fill(tensor: tf.TensorProto, strings: Sequence[bytes], shape: Sequence[int]) -> None:
    """Make an empty tensor one of strings, in the message that it is part of, so that they are copied once.

    Args:
        tensor: written.
        strings: as many as the shape has elements.
        shape: its dimensions.
    """
    tensor.dtype = tf.DT_STRING
    dims = tensor.tensor_shape.dim
    for size in shape:
        dims.add(size=size)
    if not shape:
        tensor.tensor_shape.SetInParent()
    tensor.string_val.extend(strings)


def string_bytes(values: npt.NDArray[Any]) -> list[bytes]:
    """The elements of an array of strings in row-major order; str as UTF-8.

    Raises:
        TensorDtypeError: an element is neither bytes nor str.
    """
    strings: list[bytes] = []
    for value in values.reshape(-1).tolist():
        if isinstance(value, str):
            strings.append(value.encode())
        elif isinstance(value, bytes):
            strings.append(value)
        else:
            name = type(value).__name__
            raise TensorDtypeError(f"A string tensor is made of bytes or str, got {name}.", dtype=name)
    return strings


def _split_strings(content: bytes, shape: tuple[int, ...], count: int) -> list[bytes]:
    """Splits what TensorFlow makes of strings in `tensor_content`: all lengths as varints, then all the bytes."""
    if count > len(content):
        # Every length takes at least a byte.
        raise _broken_strings(content, shape, count)
    lengths: list[int] = []
    position = 0
    for _ in range(count):
        length = shift = 0
        while True:
            if position >= len(content) or shift > 28:  # five groups of seven bits hold 32 bits
                raise _broken_strings(content, shape, count)
            byte = content[position]
            position += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        lengths.append(length)
    if position + sum(lengths) != len(content):
        raise _broken_strings(content, shape, count)
    strings = []
    for length in lengths:
        strings.append(content[position : position + length])
        position += length
    return strings


def _broken_strings(content: bytes, shape: tuple[int, ...], count: int) -> TensorShapeError:
    return TensorShapeError(
        f"tensor_content of a string tensor of shape {list(shape)} does not hold {count} strings; use string_val.",
        shape=shape,
        expected=count,
        got=len(content),
    )
