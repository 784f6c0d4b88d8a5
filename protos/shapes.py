"""Tensor shapes: read with suspicion, written plainly."""

import math
from collections.abc import Iterable, Sequence
from typing import Final

from accelserve.protos import tensorflow as tf
from accelserve.protos.errors import TensorShapeError, TensorTooLargeError

DEFAULT_LIMIT_BYTES: Final = 1 << 30
"""Bytes that a tensor may take when the caller sets no limit."""
MAX_RANK: Final = 32
"""Dimensions that a tensor may have; numpy 1 stops here (TensorFlow goes to 254, which no image needs)."""
_MAX_ELEMENTS: Final = (1 << 63) - 1


def shape_of(shape: tf.TensorShapeProto) -> tuple[int, ...]:
    """The dimensions of a shape that is wholly known.

    Raises:
        TensorShapeError: unknown rank, a negative dimension, more than MAX_RANK of them, or more than 2**63 - 1
            elements.
    """
    if shape.unknown_rank:
        raise TensorShapeError("A tensor's shape must be known, got unknown_rank: true.", shape=None)
    sizes = tuple([dim.size for dim in shape.dim])
    if len(sizes) > MAX_RANK:
        raise TensorShapeError(
            f"A tensor has at most {MAX_RANK} dimensions, got {len(sizes)}.", shape=list(sizes)
        )
    # Zero dimensions do not excuse the others: TensorFlow multiplies from the left and refuses an overflow on the way.
    elements = 1
    for size in sizes:
        if size < 0:
            raise TensorShapeError(f"A tensor's dimensions are 0 or more, got {list(sizes)}.", shape=sizes)
        elements *= size or 1
    if elements > _MAX_ELEMENTS:
        raise TensorShapeError(f"Shape {list(sizes)} has more than 2**63 - 1 elements.", shape=sizes)
    return sizes


def element_count(shape: Sequence[int]) -> int:
    """Number of elements of a shape; 1 for the shape of a scalar."""
    return math.prod(shape)


def shape_proto(shape: Iterable[int]) -> tf.TensorShapeProto:
    """The message for a shape; -1 is a dimension that is not known."""
    return tf.TensorShapeProto(dim=[tf.TensorShapeProto.Dim(size=size) for size in shape])


def allowed_count(shape: tuple[int, ...], itemsize: int, limit_bytes: int) -> int:
    """Number of elements of a shape whose elements take at most `limit_bytes`, at `itemsize` bytes each.

    Raises:
        TensorTooLargeError: they take more.
    """
    count = math.prod(shape)
    size_bytes = count * itemsize
    if size_bytes > limit_bytes:
        raise TensorTooLargeError(
            f"A tensor of shape {list(shape)} takes {size_bytes} bytes, at most {limit_bytes} are allowed.",
            shape=shape,
            size_bytes=size_bytes,
            limit_bytes=limit_bytes,
        )
    return count
