"""Element types, tensor types and quantization parameters.

Every four-dimensional image tensor of the representation is NHWC. Shapes are per image: the leading dimension is
always 1 when a graph is compiled, and a batch is a sequence of images.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.errors import GraphError

Array: TypeAlias = NDArray[Any]


class DType(enum.Enum):
    """Element types that kernels compute with; the value is numpy's name."""

    U8 = "uint8"
    S8 = "int8"
    S32 = "int32"
    F32 = "float32"
    S64 = "int64"
    BOOL = "bool"

    @property
    def numpy(self) -> np.dtype[np.generic]:
        """The numpy dtype of one element."""
        return np.dtype(self.value)

    @property
    def size_bytes(self) -> int:
        """Bytes of one element."""
        return self.numpy.itemsize

    @classmethod
    def of(cls, array: Array) -> DType:
        """The element type of ``array``; GraphError if the kernels have none for it."""
        try:
            return cls(array.dtype.name)
        except ValueError:
            raise GraphError(
                f"dtype {array.dtype} is not one the kernels compute with; cast it to float32"
            ) from None


@dataclass(frozen=True, slots=True)
class TensorType:
    """Shape and element type of a value."""

    shape: tuple[int, ...]
    dtype: DType

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """Bytes when stored densely."""
        return self.elements * self.dtype.size_bytes

    def __str__(self) -> str:
        return f"{self.dtype.value}{list(self.shape)}"


@dataclass(frozen=True, slots=True)
class QuantParams:
    """Per-tensor affine quantization of a uint8 activation: ``real = (q - zero_point) * scale``.

    Attributes:
        scale: positive, a float32 value.
        zero_point: 0..255, the integer that stands for real zero.
    """

    scale: float
    zero_point: int

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise GraphError(f"a quantization scale must be positive and finite, got {self.scale}")
        if not 0 <= self.zero_point <= 255:
            raise GraphError(f"a uint8 zero point must be in 0..255, got {self.zero_point}")
