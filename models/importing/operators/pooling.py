"""Pooling over windows and over whole images."""

from __future__ import annotations

import math

from accelserve.kernels.ir import AveragePool, MaxPool, Op, Pad, Pair, Reshape, Window
from accelserve.models.importing.reductions import REDUCTION, reduced_axes
from accelserve.models.importing.registry import Call, UnsupportedFormError, operator
from accelserve.models.importing.values import IMAGE, Tensor
from accelserve.models.importing.windows import ceil_padding, kernel_of, widened, window_of


def _size(call: Call, image: str) -> Pair:
    _, height, width, _ = call.scope.type_of(image).shape
    return height, width


@operator(
    "MaxPool",
    reads="auto_pad ceil_mode dilations kernel_shape pads strides",
    irrelevant={"storage_order": "of the indices, which are refused where they are read"},
)
def max_pool(call: Call) -> Tensor:
    """Greatest element; ceil_mode becomes padding, which never wins."""
    x = call.image(0)
    size = _size(call, x)
    window = window_of(call, size, kernel_of(call))
    if call.int_attribute("ceil_mode", 0):
        window = widened(window, ceil_padding(window, size))
    return call.result(MaxPool(window), [x], IMAGE)


@operator("AveragePool", reads="auto_pad ceil_mode count_include_pad dilations kernel_shape pads strides")
def average_pool(call: Call) -> Tensor:
    """Mean; cells that only ceil_mode adds are in no mean, whatever count_include_pad says."""
    x = call.image(0)
    size = _size(call, x)
    window = window_of(call, size, kernel_of(call))
    counted = bool(call.int_attribute("count_include_pad", 0)) and any(window.padding)
    extra = ceil_padding(window, size) if call.int_attribute("ceil_mode", 0) else (0, 0)
    if not counted or extra == (0, 0):
        return call.result(AveragePool(widened(window, extra), counted), [x], IMAGE)
    top, left, bottom, right = window.padding
    padded = call.step(Pad((0, top, left, 0), (0, bottom, right, 0)), [x], "padded")
    rest = Window(
        kernel=window.kernel,
        strides=window.strides,
        padding=(0, 0, *extra),
        dilations=window.dilations,
    )
    return call.result(AveragePool(rest), [padded], IMAGE)


def _pool(kind: type[AveragePool | MaxPool], kernel: Pair) -> Op:
    return kind(Window(kernel=kernel))


@operator("GlobalAveragePool", "GlobalMaxPool")
def global_pool(call: Call) -> Tensor:
    """One value for each channel."""
    x = call.image(0)
    kind = AveragePool if call.node.op == "GlobalAveragePool" else MaxPool
    return call.result(_pool(kind, _size(call, x)), [x], IMAGE)


@operator("ReduceMean", "ReduceMax", operands=2, reads=REDUCTION)
def reduce_image(call: Call) -> Tensor:
    """Over rows, columns or both of an image, or over all of it."""
    tensor = call.settled(0)
    rank = len(tensor.shape)
    given = set(reduced_axes(call, rank))
    if not given:
        return tensor  # noop_with_empty_axes
    if 0 in given:
        call.refuse_across_images(tensor, 0)
    axes = {axis for axis in given if tensor.shape[axis] > 1}
    spatial = set(tensor.order[1:3]) if rank == 4 else set()
    value, kernel = (
        tensor.value,
        tuple(tensor.shape[axis] if axis in axes else 1 for axis in tensor.order[1:3]),
    )
    if (
        rank == 4
        and axes == {axis for axis in tensor.order[1:] if tensor.shape[axis] > 1}
        and not axes <= spatial
    ):
        # All of an image is one column of one channel.
        images, *sizes = call.scope.type_of(value).shape
        kernel = (math.prod(sizes), 1)
        value = call.step(Reshape((images, *kernel, 1)), [value], "column")
    elif rank != 4 or not axes <= spatial:
        raise UnsupportedFormError(
            f"over axes {sorted(axes)}; only over an image's rows and columns, or all of it"
        )
    kind = AveragePool if call.node.op == "ReduceMean" else MaxPool
    op = _pool(kind, (kernel[0], kernel[1]))
    if call.int_attribute("keepdims", 1):
        return call.result(op, [value], tensor.order)
    pooled = call.seen(call.step(op, [value], "pooled"), tensor.order)
    return _without_axes(call, pooled, given)


def _without_axes(call: Call, pooled: Tensor, dropped: set[int]) -> Tensor:
    kept = [axis for axis in range(len(pooled.base)) if axis not in dropped]
    order = tuple(kept.index(axis) for axis in pooled.order if axis not in dropped)
    ours = tuple(pooled.base[axis] for axis in pooled.order if axis not in dropped)
    return call.result(Reshape(ours), [pooled.value], order)
