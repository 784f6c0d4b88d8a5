"""Integer operators: what the compiler lowers a quantized graph to, and what devices implement bit for bit.

Notation: ``f32`` rounds to float32 after every single operation (no fma contraction), ``rne`` rounds half to even,
activations are uint8 with a zero point, weights int8, accumulators int32 (wrapping). All multipliers are float32
values computed in float64 and rounded once when the graph is lowered.
"""

from __future__ import annotations

from dataclasses import dataclass

from accelserve.kernels.ir.float_ops import conv_result, products
from accelserve.kernels.ir.ops import Op, Pixelwise, Window, image_shape
from accelserve.kernels.ir.types import DType, TensorType

U8, S8, S32, F32 = DType.U8, DType.S8, DType.S32, DType.F32


MOST_SQUARES = (2**31 - 1) // 255**2
"""Squares of differences of bytes that an int32 sum holds."""
LEAST_EPSILON = 1e-30
"""Its inverse is finite in float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """How a uint8 residual joins the epilogue: ``+ f32(f32(res - zero_point) * multiplier)``."""

    zero_point: int
    multiplier: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Intermediate:
    """A quantization between accumulator and residual sum, where the file has one.

    ``v = clamp(rne(v), low, high) * multiplier``; the bounds are relative to the intermediate zero point
    (0 - zp .. 255 - zp), so v stays a small exact integer in float32 before it is multiplied.
    """

    low: int
    high: int
    multiplier: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Epilogue:
    """From int32 accumulator to uint8 (QLinearConv's meaning, with the fused sum of a residual).

    ``v = f32(acc) * scale[k]``; intermediate, if any; residual, if any;
    ``y = clamp(rne(v) + zero_point, low, high)``. ReLU and Clip are in ``low`` and ``high`` (0..255).
    """

    zero_point: int
    low: int = 0
    high: int = 255
    residual: Residual | None = None
    intermediate: Intermediate | None = None


@dataclass(frozen=True, slots=True)
class QConv2d(Op):
    """Integer convolution. Operands: x uint8, w int8 [K,R,S,C/groups], bias int32 [K], scale float32 [K], and the residual uint8 if the epilogue has one.

    ``acc = bias[k] + sum x * w`` over the window, with x read as ``input_zero_point`` in the padding; the bias
    holds ``- input_zero_point * sum(w[k])`` already. The result is uint8 by the epilogue, or, without one, float32
    ``f32(acc) * scale[k]``.
    """

    parameters = (1, 2, 3)

    window: Window
    groups: int
    input_zero_point: int
    epilogue: Epilogue | None

    def infer(self, operands: tuple[TensorType, ...]) -> TensorType:
        residual = self.epilogue is not None and self.epilogue.residual is not None
        self.expect_operands(operands, U8, S8, S32, F32, *((U8,) if residual else ()))
        shape = conv_result(self, operands[0], operands[1], self.window, self.groups)
        for vector in operands[2:4]:
            self.expect(vector.shape == (shape[3],), f"bias and scale must be [{shape[3]}], got {vector}")
        if residual:
            self.expect(
                operands[4].shape == shape, f"the residual {operands[4]} must have the result's shape {shape}"
            )
        return TensorType(shape, U8 if self.epilogue else F32)

    def macs(self, operands: tuple[TensorType, ...], result: TensorType) -> int:
        return products(operands[1], result)


@dataclass(frozen=True, slots=True)
class QAdd(Pixelwise):
    """``clamp(rne(f32(a - za) * ma + f32(b - zb) * mb) + zero_point, low, high)`` of two uint8 tensors of one shape."""

    a: Residual
    b: Residual
    zero_point: int
    low: int = 0
    high: int = 255

    def infer(self, operands: tuple[TensorType, ...]) -> TensorType:
        self.expect_operands(operands, U8, U8)
        self.expect(operands[0].shape == operands[1].shape, f"shapes differ: {operands[0]} and {operands[1]}")
        return operands[0]


def channelwise(op: Op, operands: tuple[TensorType, ...]) -> TensorType:
    """The type of x, of operands x uint8, mul float32 [C] and add float32 [C]; ShapeMismatchError if they are others."""
    op.expect_operands(operands, U8, F32, F32)
    x, mul, add = operands
    op.expect(mul.shape == add.shape == x.shape[-1:], f"mul {mul} and add {add} must be per channel of {x}")
    return x


@dataclass(frozen=True, slots=True)
class QChannelAffine(Pixelwise):
    """``clamp(rne(f32(x - input_zero_point) * mul[c] + add[c]) + zero_point, low, high)``: DenseNet's BN-ReLU before a convolution.

    Operands: x uint8, mul float32 [C], add float32 [C].
    """

    parameters = (1, 2)

    input_zero_point: int
    zero_point: int
    low: int = 0
    high: int = 255

    def infer(self, operands: tuple[TensorType, ...]) -> TensorType:
        return channelwise(self, operands)


@dataclass(frozen=True, slots=True)
class QL2Normalize(Pixelwise):
    """``clamp(rne((f32(x - input_zero_point) * unit) * mul[c] + add[c]) + zero_point, low, high)``: SSD's conv4_3 and its learned scale.

    ``unit = 1 / max(f32(sqrt(s)), epsilon)``, s being the exact sum of ``(x - input_zero_point)**2`` over the last axis.
    Operands: x uint8, mul float32 [C], add float32 [C].
    """

    parameters = (1, 2)

    input_zero_point: int
    epsilon: float
    zero_point: int
    low: int = 0
    high: int = 255

    def infer(self, operands: tuple[TensorType, ...]) -> TensorType:
        x = channelwise(self, operands)
        self.expect(x.shape[-1] <= MOST_SQUARES, f"{x} has more than {MOST_SQUARES} channels")
        self.expect(self.epsilon >= LEAST_EPSILON, f"epsilon must be {LEAST_EPSILON} or more")
        return x


@dataclass(frozen=True, slots=True)
class QLookup(Pixelwise):
    """``table[x]``: any function of one uint8 element (requantize, LeakyReLU, sigmoid); operands x uint8, table uint8 [256]."""

    parameters = (1,)

    def infer(self, operands: tuple[TensorType, ...]) -> TensorType:
        self.expect_operands(operands, U8, U8)
        self.expect(operands[1].shape == (256,), f"the table must be [256], got {operands[1]}")
        return operands[0]


@dataclass(frozen=True, slots=True)
class QAveragePool(Op):
    """``clamp(rne(f32(sum (x - input_zero_point)) * multiplier[count]) + zero_point, 0, 255)`` under the window.

    The sum is an exact int32 over the ``count`` cells inside the image; ``multiplier[count]`` is
    ``f32(input_scale / (output_scale * divisor))`` with divisor = count, or the whole window if padding counts.
    Operands: x uint8, multiplier float32 [kernel rows * kernel columns + 1] (entry 0 is unused).
    """

    parameters = (1,)

    window: Window
    input_zero_point: int
    zero_point: int

    def infer(self, operands: tuple[TensorType, ...]) -> TensorType:
        self.expect_operands(operands, U8, F32)
        n, h, w, c = image_shape(self, operands[0])
        cells = self.window.kernel[0] * self.window.kernel[1]
        self.expect(operands[1].shape == (cells + 1,), f"multiplier must be [{cells + 1}], got {operands[1]}")
        return TensorType((n, *self.window.output_size(self, (h, w)), c), U8)
