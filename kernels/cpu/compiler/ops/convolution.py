"""Integer convolution and dense layers: which way each layer is computed."""

from __future__ import annotations

from collections.abc import Sequence

from accelserve.kernels.cpu.compiler.convolution.depthwise import DepthwiseConvolution
from accelserve.kernels.cpu.compiler.convolution.layer import Layer
from accelserve.kernels.cpu.compiler.convolution.matrix import MatrixConvolution
from accelserve.kernels.cpu.compiler.convolution.permuted import by_bytes
from accelserve.kernels.cpu.compiler.convolution.rearranged import rearranged
from accelserve.kernels.cpu.compiler.convolution.tiles import TiledConvolution
from accelserve.kernels.cpu.compiler.convolution.widened import WidenedConvolution, WidenedLayer
from accelserve.kernels.cpu.compiler.convolution.winograd_choice import by_winograd
from accelserve.kernels.cpu.compiler.lowering import Context, Step, lowers
from accelserve.kernels.cpu.plan.accesses.matrix_convolution import WORKER_BYTES
from accelserve.kernels.ir import Node, Padding, QConv2d


def _halo(op: QConv2d, operand: int) -> tuple[Padding, int] | None:
    return (op.window.padding, op.input_zero_point) if operand == 0 else None


def _takes_over(node: Node) -> Sequence[int]:
    return (4,) if len(node.inputs) == 5 else ()


@lowers(QConv2d, halo=_halo, takes_over=_takes_over)
def lower_convolution(node: Node, op: QConv2d, context: Context) -> Sequence[Step]:
    """By matrix tiles where the processor has them and the layer is worth it, else by what takes the fewest cycles."""
    layer = Layer(node, op, context)
    if DepthwiseConvolution.suits(layer):
        return (DepthwiseConvolution(layer).step(),)
    if context.isa.matrix and MatrixConvolution.suits(layer):
        layer, copies = rearranged(layer, WORKER_BYTES)
        return (*copies, MatrixConvolution(layer).step())
    winograd = by_winograd(layer)
    if winograd is not None:
        return winograd.steps()
    if context.isa.split is not None and (steps := by_bytes(layer)) is not None:
        return steps
    if context.isa.widened is not None and WidenedConvolution.suits(layer):
        return WidenedConvolution(WidenedLayer(node, op, context)).steps()
    return (TiledConvolution(layer, context.isa).step(),)
