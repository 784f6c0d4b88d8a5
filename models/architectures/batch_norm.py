"""Batch normalization as a layer with statistics of its own: what checkpoints hold, before it becomes a scale and a shift.

Devices never meet it: the importer reads ONNX's BatchNormalization as a ``ChannelAffine``.
"""

from __future__ import annotations

from dataclasses import dataclass

from accelserve.kernels.ir import DType, Node, Op, TensorType
from accelserve.models.importing.onnx_writer import NCHW, OnnxWriter, writes


@dataclass(frozen=True, slots=True)
class BatchNorm(Op):
    """``y = (x - mean) / sqrt(variance + epsilon) * scale + shift`` per channel; operands x NHWC, scale, shift, mean, variance [C]."""

    epsilon: float

    def infer(self, operands: tuple[TensorType, ...]) -> TensorType:
        """The type of x."""
        self.expect_operands(operands, *(DType.F32,) * 5)
        x, *vectors = operands
        self.expect(
            all(vector.shape == x.shape[-1:] for vector in vectors), f"its parameters must be [C] of {x}"
        )
        return x


@writes(BatchNorm)
def batch_norm(to: OnnxWriter, node: Node, op: BatchNorm) -> None:
    """BatchNormalization in inference mode."""
    x, *vectors = node.inputs
    operands = [to.read(x, NCHW), *(to.read(vector, (0,)) for vector in vectors)]
    to.finish(node, NCHW, "BatchNormalization", operands, epsilon=op.epsilon)
