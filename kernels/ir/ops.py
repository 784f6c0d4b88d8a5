"""The base of every operator; float and integer operators are in their own files.

An operator is a frozen dataclass of attributes that infers the type of its one result from the types of its
operands, and raises ShapeMismatchError when they do not fit. What it computes is stated in its docstring and
implemented once, plainly, in ``kernels.reference``. What compilers, quantization and estimates have to know of it beyond
that its class says too, in class variables whose defaults suit an operator of which nothing is known.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, TypeAlias

from accelserve.kernels.errors import ShapeMismatchError
from accelserve.kernels.ir.types import DType, TensorType

Pair: TypeAlias = tuple[int, int]
Padding: TypeAlias = tuple[int, int, int, int]
"""Rows above, columns left, rows below, columns right."""


class OnIntegers(Enum):
    """How an operator of float32 goes with activations of 8 bits."""

    NEVER = "it stays float32"
    REQUANTIZED = "its result has parameters of its own"
    AS_STORED = "it moves or chooses stored integers: operands and result share their parameters"


@dataclass(frozen=True, slots=True)
class Op(ABC):
    """An operator with its attributes.

    Attributes:
        on_integers: how a float operator goes with quantized activations.
        weighted: whether the operands behind the first are a layer's weights and bias, which quantization takes as such.
        absorbs_clip: whether a Clip that alone reads the result becomes the bounds of its requantization.
        parameters: positions of the operands that compilers pack before a network runs, and which must be constants then.
    """

    on_integers: ClassVar[OnIntegers] = OnIntegers.NEVER
    weighted: ClassVar[bool] = False
    absorbs_clip: ClassVar[bool] = False
    parameters: ClassVar[tuple[int, ...]] = ()

    @abstractmethod
    def infer(self, operands: tuple[TensorType, ...]) -> TensorType:
        """Type of the result; ShapeMismatchError if the operands do not fit."""

    def macs(self, operands: tuple[TensorType, ...], result: TensorType) -> int:
        """Multiply-accumulates of the definition, as its algorithm makes them; 0 for what is no convolution."""
        del operands, result
        return 0

    @property
    def label(self) -> str:
        """The operator's name in messages."""
        return type(self).__name__

    def expect(self, condition: bool, reason: str) -> None:
        """Raise ShapeMismatchError with ``reason`` unless ``condition`` holds."""
        if not condition:
            raise ShapeMismatchError(self.label, reason)

    def expect_operands(
        self, operands: tuple[TensorType, ...], *dtypes: DType | None, optional: int = 0
    ) -> None:
        """Check the number of operands (the last ``optional`` may be absent) and their dtypes (None: any)."""
        least = len(dtypes) - optional
        self.expect(
            least <= len(operands) <= len(dtypes),
            f"takes {least} to {len(dtypes)} operands, got {len(operands)}",
        )
        for position, (operand, dtype) in enumerate(zip(operands, dtypes, strict=False)):
            self.expect(
                dtype is None or operand.dtype is dtype,
                f"operand {position} must be {dtype.value if dtype else 'any'}, got {operand}",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A sliding window over rows and columns.

    Attributes:
        kernel, strides, dilations: (rows, columns).
        padding: cells added above, left, below, right.
    """

    kernel: Pair
    strides: Pair = (1, 1)
    padding: Padding = (0, 0, 0, 0)
    dilations: Pair = (1, 1)

    def output_size(self, op: Op, size: Pair) -> Pair:
        """(rows, columns) of the result for an input of ``size``; ShapeMismatchError if the window does not fit."""
        attributes = (*self.kernel, *self.strides, *self.dilations)
        op.expect(
            min(attributes) >= 1 and min(self.padding) >= 0,
            f"kernel, strides, dilations or padding below their least: {self}",
        )
        result = []
        for axis in (0, 1):
            extent = (self.kernel[axis] - 1) * self.dilations[axis] + 1
            padded = size[axis] + self.padding[axis] + self.padding[axis + 2]
            op.expect(padded >= extent, f"a window of {extent} does not fit a padded input of {padded}")
            result.append((padded - extent) // self.strides[axis] + 1)
        return result[0], result[1]


class Movement(Op):
    """An operator whose result is its operands' elements, each once at most, in another order or place."""

    __slots__ = ()

    on_integers = OnIntegers.AS_STORED


class Pixelwise(Op):
    """An operator of quantized images that computes each pixel by itself, so that a stack of images is one image to it."""

    __slots__ = ()


def window_of(op: Op) -> Window | None:
    """The window that an operator slides over rows and columns; None if it slides none."""
    window = getattr(op, "window", None)
    return window if isinstance(window, Window) else None


def image_shape(op: Op, operand: TensorType) -> tuple[int, int, int, int]:
    """The four dimensions of an NHWC operand; ShapeMismatchError if it has another rank."""
    op.expect(len(operand.shape) == 4, f"expected an NHWC tensor of rank 4, got {operand}")
    n, h, w, c = operand.shape
    return n, h, w, c
