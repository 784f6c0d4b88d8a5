"""Integer convolution in the Winograd domain."""

from __future__ import annotations

from collections.abc import Sequence

from accelserve.kernels.cpu.compiler.convolution.winograd import WinogradConvolution
from accelserve.kernels.cpu.compiler.lowering import Context, Step, lowers
from accelserve.kernels.ir import Node, Padding, QWinogradConv2d


def _halo(op: QWinogradConv2d, operand: int) -> tuple[Padding, int] | None:
    return (op.padding, op.input_zero_point) if operand == 0 else None


def _takes_over(node: Node) -> Sequence[int]:
    return (4,) if len(node.inputs) == 5 else ()


@lowers(QWinogradConv2d, halo=_halo, takes_over=_takes_over)
def lower_winograd(node: Node, op: QWinogradConv2d, context: Context) -> Sequence[Step]:
    """One step."""
    return (WinogradConvolution(node, op, context).step(),)
