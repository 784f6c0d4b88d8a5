"""Convolutions over images."""

from __future__ import annotations

from accelserve.kernels.ir import Conv2d
from accelserve.models.importing.registry import Call, UnsupportedFormError, operator
from accelserve.models.importing.values import IMAGE, Known, Stored, Tensor
from accelserve.models.importing.windows import window_of


@operator("Conv", operands=3, reads="auto_pad dilations group kernel_shape pads strides")
def conv(call: Call) -> Tensor:
    """Conv with constant weights [K, C/groups, R, S] and, maybe, a constant bias [K]."""
    weights, bias = call.operand(1), call.operand(2)
    if not isinstance(weights, Known | Stored):
        raise UnsupportedFormError("with weights computed at run time")
    if weights.array.ndim != 4:
        raise UnsupportedFormError(f"in {weights.array.ndim - 2} dimension(s); only in two")
    if call.ints_attribute("kernel_shape") not in {None, weights.array.shape[2:]}:
        raise UnsupportedFormError(
            f"whose kernel_shape is not that of its weights, {list(weights.array.shape)}"
        )
    x = call.image(0)
    _, height, width, _ = call.scope.type_of(x).shape
    kernel = (weights.array.shape[2], weights.array.shape[3])
    op = Conv2d(window_of(call, (height, width), kernel), call.int_attribute("group", 1))
    operands = [x, call.weights(weights, IMAGE)]
    if isinstance(bias, Known | Stored):
        operands.append(call.weights(bias, (0,)))
    elif bias is not None:
        raise UnsupportedFormError("with a bias computed at run time")
    return call.result(op, operands, IMAGE)
