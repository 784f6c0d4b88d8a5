"""Integer convolution in the Winograd domain: F(2x2, 3x3), another arithmetic than QConv2d's with 2.25 times fewer products.

Four outputs of a 3x3 window at stride 1 are made from a 4x4 patch of the input by 16 products a pair of channels where
36 are usual (Lavin and Gray, "Fast algorithms for convolutional neural networks", CVPR 2016). Patch and weights are
transformed; each of the 16 positions after that, a *tap*, is quantized by numbers of its own, since taps differ in
range (Andri et al., "Going further with Winograd convolutions: tap-wise quantization", MICRO 2022). That requantization is what makes the result another one than QConv2d's.
"""

from __future__ import annotations

from dataclasses import dataclass

from accelserve.kernels.errors import GraphError
from accelserve.kernels.ir.integer_ops import Epilogue
from accelserve.kernels.ir.ops import Op, Padding, Window, image_shape
from accelserve.kernels.ir.types import DType, TensorType

U8, S8, F32 = DType.U8, DType.S8, DType.F32

TAPS = 16
"""Positions of a transformed patch, row by row."""

GREATEST_MULTIPLIER = 32767


@dataclass(frozen=True, slots=True, kw_only=True)
class WinogradTaps:
    """How the transformed input of one layer becomes uint8, tap by tap: ``clamp(((v * m + 2**14) >> 15) + z, 0, 255)``.

    Attributes:
        multipliers: m, 1..32767, in units of 2**-15.
        zero_points: z, 0..255, the byte that stands for zero.
    """

    multipliers: tuple[int, ...]
    zero_points: tuple[int, ...]

    def __post_init__(self) -> None:
        for name, values, low, high in (
            ("multipliers", self.multipliers, 1, GREATEST_MULTIPLIER),
            ("zero points", self.zero_points, 0, 255),
        ):
            if len(values) != TAPS or not all(low <= value <= high for value in values):
                raise GraphError(f"{name} of taps must be {TAPS} numbers in {low}..{high}, got {values}")


@dataclass(frozen=True, slots=True)
class QWinogradConv2d(Op):
    """3x3 convolution at stride 1 by F(2x2, 3x3). Operands: x uint8, u int8 [K,4,4,C], scale float32 [K,4,4], bias float32 [K], and the residual uint8 if the epilogue has one.

    For every 2x2 block of outputs, with d the 4x4 patch of ``x - input_zero_point`` under it (0 in the padding, and in
    what a last block of odd size reads beyond; no valid output depends on that), for tap (i, j), input channel c and output channel k:

    1. ``v = B d B^T`` in integers, where ``B`` has the rows ``d0 - d2, d1 + d2, d2 - d1, d1 - d3``; |v| <= 1020.
    2. ``q = clamp(((v * m[i,j] + 2**14) >> 15) + z[i,j], 0, 255)``, the shift rounding down.
    3. ``acc = - z[i,j] * sum_c u[k,i,j,c] + sum_c q[c] * u[k,i,j,c]`` in int32, wrapping.
    4. ``g[i,j] = f32(f32(acc) * scale[k,i,j])``, and ``g[1,1] = f32(g[1,1] + bias[k])``.
    5. ``h[0,j] = (g[0,j] + g[1,j]) + g[2,j]`` and ``h[1,j] = (g[1,j] - g[2,j]) - g[3,j]``, then
       ``y[a,0] = (h[a,0] + h[a,1]) + h[a,2]`` and ``y[a,1] = (h[a,1] - h[a,2]) - h[a,3]``, rounded to float32 after
       every sum and difference, in this order.

    The value v of the epilogue (``Epilogue``, where it is ``f32(acc) * scale[k]``) is y; without an epilogue y is the
    result, float32.
    """

    parameters = (1, 2, 3)

    padding: Padding
    input_zero_point: int
    taps: WinogradTaps
    epilogue: Epilogue | None

    @property
    def window(self) -> Window:
        """The window that this convolution slides."""
        return Window(kernel=(3, 3), padding=self.padding)

    def infer(self, operands: tuple[TensorType, ...]) -> TensorType:
        residual = self.epilogue is not None and self.epilogue.residual is not None
        self.expect_operands(operands, U8, S8, F32, F32, *((U8,) if residual else ()))
        n, height, width, channels = image_shape(self, operands[0])
        weights, scale, bias = operands[1:4]
        self.expect(
            len(weights.shape) == 4 and weights.shape[1:] == (4, 4, channels),
            f"weights must be [K, 4, 4, {channels}], got {weights}",
        )
        outputs = weights.shape[0]
        self.expect(scale.shape == (outputs, 4, 4), f"scale must be [{outputs}, 4, 4], got {scale}")
        self.expect(bias.shape == (outputs,), f"bias must be [{outputs}], got {bias}")
        shape = (n, *self.window.output_size(self, (height, width)), outputs)
        if residual:
            self.expect(
                operands[4].shape == shape, f"the residual {operands[4]} must have the result's shape {shape}"
            )
        return TensorType(shape, U8 if self.epilogue else F32)

    def macs(self, operands: tuple[TensorType, ...], result: TensorType) -> int:
        _, rows, columns, _ = result.shape
        return -(-rows // 2) * -(-columns // 2) * operands[1].elements
