"""Normalization over channels, and softmax."""

from __future__ import annotations

import math

import numpy as np

from accelserve.kernels.ir import ChannelAffine, LocalResponseNorm, Reshape, Softmax
from accelserve.models.importing.registry import Call, UnsupportedFormError, operator
from accelserve.models.importing.scope import identity
from accelserve.models.importing.values import IMAGE, Tensor


@operator(
    "BatchNormalization",
    operands=5,
    reads="epsilon is_test spatial training_mode",
    irrelevant={"momentum": "for the running statistics, which inference leaves as they are"},
)
def batch_normalization(call: Call) -> Tensor:
    """Inference form, with the running statistics; every opset, old attributes included."""
    # Sets 1 and 6 say so by 'is_test', later ones by 'training_mode'. In between results that only training has would
    # say it, but exporters left them in files for inference; where something reads them, that is refused.
    trains = call.opset < 7 and not call.int_attribute("is_test", 0)
    if trains or call.int_attribute("training_mode", 0) or not call.int_attribute("spatial", 1):
        raise UnsupportedFormError("in training mode, or with spatial=0")
    x = call.settled(0)
    names = ("scale", "bias", "mean", "variance")
    scale, bias, mean, variance = (
        np.asarray(call.known(i + 1, name), np.float64) for i, name in enumerate(names)
    )
    factors = scale / np.sqrt(variance + call.float_attribute("epsilon", 1e-5))
    vectors = (
        call.scope.constant(factors.astype(np.float32), f"{call.node.name}/mul"),
        call.scope.constant((bias - mean * factors).astype(np.float32), f"{call.node.name}/add"),
    )
    rank = len(x.shape)
    order = (0, *range(2, rank), 1)
    return call.result(ChannelAffine(), [call.scope.arranged(x, order), *vectors], order)


@operator("LRN", reads="alpha beta bias size")
def local_response_normalization(call: Call) -> Tensor:
    """Across channels."""
    op = LocalResponseNorm(
        call.int_attribute("size", 0),
        call.float_attribute("alpha", 1e-4),
        call.float_attribute("beta", 0.75),
        call.float_attribute("bias", 1.0),
    )
    return call.result(op, [call.image(0)], IMAGE)


@operator("Softmax", reads="axis")
def softmax(call: Call) -> Tensor:
    """Along one axis; before opset 13 over all axes from ``axis`` on, flattened."""
    x = call.settled(0)
    rank = len(x.shape)
    if call.opset >= 13:
        axis = call.axis(call.int_attribute("axis", -1), rank)
        call.refuse_across_images(x, axis)
        return call.result(Softmax(x.order.index(axis)), [x.value], x.order)
    axis = call.axis(call.int_attribute("axis", 1), rank)
    call.refuse_across_images(x, axis)
    wide = [a for a in range(axis, rank) if x.shape[a] > 1]
    if len(wide) <= 1:
        along = wide[0] if wide else axis
        return call.result(Softmax(x.order.index(along)), [x.value], x.order)
    rows = (math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))
    flat = call.step(Reshape(rows), [call.scope.arranged(x, identity(x.shape))], "rows")
    normal = call.step(Softmax(1), [flat], "softmax")
    return call.result(Reshape(x.shape), [normal], identity(x.shape))
