"""Integer convolution in the Winograd domain."""

from __future__ import annotations

from collections.abc import Sequence

from accelserve.kernels.cpu.compiler.convolution.winograd import WinogradConvolution
from accelserve.kernels.cpu.compiler.lowering import Context, Step, lowers
from accelserve.kernels.ir import Node, Padding, QWinogradConv2d


def _halo(node: Node, operand: int) -> tuple[Padding, int] | None:
    op = node.op
    if operand != 0 or not isinstance(op, QWinogradConv2d):
        return None
    return op.padding, op.input_zero_point


def _takes_over(node: Node) -> Sequence[int]:
    return (4,) if len(node.inputs) == 5 else ()


@lowers(QWinogradConv2d, halo=_halo, takes_over=_takes_over)
def lower_winograd(node: Node, context: Context) -> Sequence[Step]:
    """One step."""
    return (WinogradConvolution(node, context).step(),)
