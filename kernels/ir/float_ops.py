"""Float32 operators: what an imported network means before it is quantized, and what cannot run in int8.

Arithmetic is float32, image tensors are NHWC. ``x[...]`` is the first operand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from accelserve.kernels.errors import ShapeMismatchError
from accelserve.kernels.ir.ops import Movement, OnIntegers, Op, Pixelwise, Window, image_shape
from accelserve.kernels.ir.types import DType, TensorType

F32 = DType.F32


def conv_result(
    op: Op, x: TensorType, w: TensorType, window: Window, groups: int
) -> tuple[int, int, int, int]:
    """Shape of a convolution's result; ``w`` is [K, R, S, C / groups]."""
    n, height, width, channels = image_shape(op, x)
    k, r, s, per_group = image_shape(op, w)
    op.expect((r, s) == window.kernel, f"weights are {r}x{s} but the kernel is {window.kernel}")
    op.expect(
        groups >= 1 and per_group * groups == channels and k % groups == 0,
        f"weights have {per_group} input channels and {k} outputs but the activation has {channels} channels; check 'groups' (got {groups})",
    )
    rows, columns = window.output_size(op, (height, width))
    return n, rows, columns, k


def products(weights: TensorType, result: TensorType) -> int:
    """Multiply-accumulates of ``result`` elements, each over the weights of one output channel, the first axis."""
    return result.elements * (weights.elements // weights.shape[0])


@dataclass(frozen=True, slots=True)
class Conv2d(Op):
    """``y[n,i,j,k] = b[k] + sum x[n, i*stride + r*dilation - pad, ...] * w[k,r,s,c]``; operands x, w [K,R,S,C/groups], and b [K] if there is one."""

    on_integers = OnIntegers.REQUANTIZED
    weighted = True
    absorbs_clip = True
    parameters = (1, 2)

    window: Window
    groups: int = 1

    def infer(self, operands: tuple[TensorType, ...]) -> TensorType:
        self.expect_operands(operands, F32, F32, F32, optional=1)
        shape = conv_result(self, operands[0], operands[1], self.window, self.groups)
        if len(operands) == 3:
            self.expect(operands[2].shape == (shape[3],), f"bias must be [{shape[3]}], got {operands[2]}")
        return TensorType(shape, F32)

    def macs(self, operands: tuple[TensorType, ...], result: TensorType) -> int:
        return products(operands[1], result)


@dataclass(frozen=True, slots=True)
class Dense(Op):
    """``y[n,k] = b[k] + sum_c x[n,c] * w[k,c]``; operands x [N,C], w [K,C], and b [K] if there is one."""

    on_integers = OnIntegers.REQUANTIZED
    weighted = True
    absorbs_clip = True
    parameters = (1, 2)

    def infer(self, operands: tuple[TensorType, ...]) -> TensorType:
        self.expect_operands(operands, F32, F32, F32, optional=1)
        x, w = operands[:2]
        self.expect(len(x.shape) == 2 and len(w.shape) == 2, f"expected x [N,C] and w [K,C], got {x} and {w}")
        self.expect(
            x.shape[1] == w.shape[1],
            f"weights take {w.shape[1]} features but the activation has {x.shape[1]}",
        )
        return TensorType((x.shape[0], w.shape[0]), F32)

    def macs(self, operands: tuple[TensorType, ...], result: TensorType) -> int:
        return products(operands[1], result)


@dataclass(frozen=True, slots=True)
class ChannelAffine(Op):
    """``y[..., c] = x[..., c] * mul[c] + add[c]``: batch normalization, or any scale and shift per channel (the last axis)."""

    on_integers = OnIntegers.REQUANTIZED
    absorbs_clip = True
    parameters = (1, 2)

    def infer(self, operands: tuple[TensorType, ...]) -> TensorType:
        self.expect_operands(operands, F32, F32, F32)
        x, mul, add = operands
        self.expect(
            mul.shape == add.shape == x.shape[-1:],
            f"mul {mul} and add {add} must be [{x.shape[-1] if x.shape else 1}]",
        )
        return x


class Elementwise(Op):
    """An operator of one float32 operand that works on each element by itself."""

    __slots__ = ()

    on_integers = OnIntegers.REQUANTIZED

    def infer(self, operands: tuple[TensorType, ...]) -> TensorType:
        self.expect_operands(operands, F32)
        return operands[0]


@dataclass(frozen=True, slots=True)
class Clip(Elementwise):
    """``min(max(x, low), high)``; ReLU is low 0, high infinity."""

    low: float = 0.0
    high: float = math.inf


@dataclass(frozen=True, slots=True)
class LeakyRelu(Elementwise):
    """``x if x >= 0 else alpha * x``."""

    alpha: float = 0.01


@dataclass(frozen=True, slots=True)
class Sigmoid(Elementwise):
    """``1 / (1 + exp(-x))``."""


@dataclass(frozen=True, slots=True)
class HardSigmoid(Elementwise):
    """``min(max(alpha * x + beta, 0), 1)``."""

    alpha: float = 0.2
    beta: float = 0.5


@dataclass(frozen=True, slots=True)
class HardSwish(Elementwise):
    """``x * min(max(x / 6 + 0.5, 0), 1)``."""


@dataclass(frozen=True, slots=True)
class Tanh(Elementwise):
    """Hyperbolic tangent."""


class Broadcast(Op):
    """An operator of two float32 operands that broadcast as numpy's do."""

    __slots__ = ()

    def infer(self, operands: tuple[TensorType, ...]) -> TensorType:
        self.expect_operands(operands, F32, F32)
        a, b = (operand.shape for operand in operands)
        rank = max(len(a), len(b))
        padded = [(1,) * (rank - len(shape)) + shape for shape in (a, b)]
        fits = all(p == q or 1 in (p, q) for p, q in zip(*padded, strict=True))
        self.expect(fits, f"shapes {list(a)} and {list(b)} do not broadcast")
        return TensorType(tuple(max(p, q) for p, q in zip(*padded, strict=True)), F32)


@dataclass(frozen=True, slots=True)
class Add(Broadcast):
    """Sum of two tensors."""

    on_integers = OnIntegers.REQUANTIZED
    absorbs_clip = True


@dataclass(frozen=True, slots=True)
class Mul(Broadcast):
    """Product of two tensors."""


@dataclass(frozen=True, slots=True)
class Concat(Movement):
    """Operands side by side along ``axis`` (0 or more)."""

    axis: int

    def infer(self, operands: tuple[TensorType, ...]) -> TensorType:
        self.expect(len(operands) >= 1, "takes at least one operand")
        first = operands[0]
        self.expect(0 <= self.axis < len(first.shape), f"axis {self.axis} is outside rank {len(first.shape)}")
        for other in operands[1:]:
            same = (
                other.dtype is first.dtype
                and len(other.shape) == len(first.shape)
                and all(
                    p == q
                    for i, (p, q) in enumerate(zip(first.shape, other.shape, strict=True))
                    if i != self.axis
                )
            )
            self.expect(same, f"{other} does not fit beside {first} along axis {self.axis}")
        shape = list(first.shape)
        shape[self.axis] = sum(operand.shape[self.axis] for operand in operands)
        return TensorType(tuple(shape), first.dtype)


@dataclass(frozen=True, slots=True)
class MaxPool(Op):
    """Greatest element under the window; padding never wins."""

    on_integers = OnIntegers.AS_STORED

    window: Window

    def infer(self, operands: tuple[TensorType, ...]) -> TensorType:
        self.expect_operands(operands, None)
        n, h, w, c = image_shape(self, operands[0])
        return TensorType((n, *self.window.output_size(self, (h, w)), c), operands[0].dtype)


@dataclass(frozen=True, slots=True)
class AveragePool(Op):
    """Mean under the window; padding counts as zeros if ``count_padding``, else it is left out of the mean."""

    on_integers = OnIntegers.REQUANTIZED

    window: Window
    count_padding: bool = False

    def infer(self, operands: tuple[TensorType, ...]) -> TensorType:
        self.expect_operands(operands, F32)
        n, h, w, c = image_shape(self, operands[0])
        return TensorType((n, *self.window.output_size(self, (h, w)), c), F32)


@dataclass(frozen=True, slots=True)
class LocalResponseNorm(Op):
    """``x / (bias + alpha / size * sum of x**2 over size neighbouring channels) ** beta`` (Krizhevsky et al. 2012, section 3.3)."""

    size: int
    alpha: float
    beta: float
    bias: float

    def infer(self, operands: tuple[TensorType, ...]) -> TensorType:
        self.expect_operands(operands, F32)
        return operands[0]


@dataclass(frozen=True, slots=True)
class L2Normalize(Op):
    """``x / max(sqrt(sum of x**2 over the last axis), epsilon)`` (ParseNet, Liu et al. 2015)."""

    epsilon: float = 1e-12

    def infer(self, operands: tuple[TensorType, ...]) -> TensorType:
        self.expect_operands(operands, F32)
        return operands[0]


@dataclass(frozen=True, slots=True)
class Softmax(Op):
    """``exp(x - max) / sum`` along ``axis`` (0 or more)."""

    axis: int

    def infer(self, operands: tuple[TensorType, ...]) -> TensorType:
        self.expect_operands(operands, F32)
        self.expect(0 <= self.axis < len(operands[0].shape), f"axis {self.axis} is outside {operands[0]}")
        return operands[0]


@dataclass(frozen=True, slots=True)
class Transpose(Movement):
    """Axes in another order, as numpy's transpose."""

    permutation: tuple[int, ...]

    def infer(self, operands: tuple[TensorType, ...]) -> TensorType:
        self.expect_operands(operands, None)
        x = operands[0]
        self.expect(
            sorted(self.permutation) == list(range(len(x.shape))), f"{self.permutation} does not permute {x}"
        )
        return TensorType(tuple(x.shape[axis] for axis in self.permutation), x.dtype)


@dataclass(frozen=True, slots=True)
class Reshape(Movement):
    """The same elements in row-major order under another shape; no wildcard."""

    shape: tuple[int, ...]

    def infer(self, operands: tuple[TensorType, ...]) -> TensorType:
        self.expect_operands(operands, None)
        result = TensorType(self.shape, operands[0].dtype)
        self.expect(
            result.elements == operands[0].elements,
            f"{operands[0]} has not the elements of {list(self.shape)}",
        )
        return result


@dataclass(frozen=True, slots=True)
class Pad(Op):
    """``value`` around the tensor: ``before[i]`` and ``after[i]`` cells along axis i (0 or more each).

    The value is in the operand's own units: a real of a float32 tensor, a stored integer of a quantized one.
    """

    on_integers = OnIntegers.AS_STORED

    before: tuple[int, ...]
    after: tuple[int, ...]
    value: float = 0.0

    def infer(self, operands: tuple[TensorType, ...]) -> TensorType:
        self.expect_operands(operands, None)
        x = operands[0]
        fits = (
            len(self.before) == len(self.after) == len(x.shape)
            and min((*self.before, *self.after), default=0) >= 0
        )
        self.expect(fits, f"padding {self.before}, {self.after} does not fit {x}")
        return TensorType(
            tuple(b + d + a for b, d, a in zip(self.before, x.shape, self.after, strict=True)), x.dtype
        )


@dataclass(frozen=True, slots=True)
class Slice(Movement):
    """``x[start : stop : step]`` on every axis; bounds are resolved (0 <= start <= stop <= size, step >= 1)."""

    start: tuple[int, ...]
    stop: tuple[int, ...]
    step: tuple[int, ...]

    def infer(self, operands: tuple[TensorType, ...]) -> TensorType:
        self.expect_operands(operands, None)
        x = operands[0]
        if not len(self.start) == len(self.stop) == len(self.step) == len(x.shape):
            raise ShapeMismatchError(
                self.label, f"bounds {self.start}, {self.stop}, {self.step} do not fit {x}"
            )
        sizes = []
        for size, start, stop, step in zip(x.shape, self.start, self.stop, self.step, strict=True):
            self.expect(
                0 <= start <= stop <= size and step >= 1, f"bounds {start}:{stop}:{step} are outside {size}"
            )
            sizes.append(-(-(stop - start) // step))
        return TensorType(tuple(sizes), x.dtype)


@dataclass(frozen=True, slots=True)
class Quantize(Pixelwise):
    """ONNX QuantizeLinear: ``clamp(rne(x / scale) + zero_point)``; operands x, scale, zero_point (its dtype is the result's).

    Scale and zero point are scalars, or vectors along ``axis``.
    """

    parameters = (1, 2)

    axis: int = -1

    def infer(self, operands: tuple[TensorType, ...]) -> TensorType:
        self.expect_operands(operands, F32, F32, None)
        return TensorType(operands[0].shape, operands[2].dtype)


@dataclass(frozen=True, slots=True)
class Dequantize(Pixelwise):
    """ONNX DequantizeLinear: ``(x - zero_point) * scale``; operands x, scale, zero_point (x's dtype).

    Scale and zero point are scalars, or vectors along ``axis``.
    """

    parameters = (1, 2)

    axis: int = -1

    def infer(self, operands: tuple[TensorType, ...]) -> TensorType:
        self.expect_operands(operands, None, F32, None)
        self.expect(
            operands[0].dtype is operands[2].dtype,
            f"zero point {operands[2]} has not x's dtype {operands[0]}",
        )
        return TensorType(operands[0].shape, F32)
