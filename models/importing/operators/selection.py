"""Parts of tensors, put together or taken apart."""

from __future__ import annotations

import numpy as np

from accelserve.kernels.ir import Concat, Pad, Reshape, Slice
from accelserve.models.importing.registry import Call, UnsupportedFormError, operator
from accelserve.models.importing.values import IMAGE, Known, Tensor

# An index vector this long is a table lookup, not a choice of channels.
_MOST_PICKED = 64
# How exporters write the end of an axis of any size.
_WHATEVER_SIZE = 2**31 - 1


@operator("Concat", operands=None, reads="axis")
def concat(call: Call) -> Tensor:
    """Side by side along one axis."""
    tensors = [call.settled(position) for position in range(len(call.operands))]
    axis = call.axis(call.int_attribute("axis", 1), len(tensors[0].shape))
    orders = [t.order for t, v in zip(tensors, call.operands, strict=True) if not isinstance(v, Known)]
    order = IMAGE if IMAGE in orders else orders[0]
    operands = [call.scope.arranged(tensor, order) for tensor in tensors]
    return call.result(Concat(order.index(axis)), operands, order)


def _cut(
    call: Call, x: Tensor, axis: int, bounds: tuple[int, int, int], name: str | None, output: int = 0
) -> Tensor:
    """``x[start:stop:step]`` along an ONNX axis; ``name`` for a step on the way, None for the result."""
    ours = call.scope.type_of(x.value).shape
    at = x.order.index(axis)
    start, stop, step = [0] * len(ours), list(ours), [1] * len(ours)
    start[at], stop[at], step[at] = bounds
    op = Slice(tuple(start), tuple(stop), tuple(step))
    if name is None:
        return call.result(op, [x.value], x.order, output)
    return call.seen(call.step(op, [x.value], name), x.order)


@operator("Slice", operands=5, reads="axes ends starts")
def slice_axes(call: Call) -> Tensor:
    """Constant bounds; steps of 1 or more."""
    x = call.settled(0)
    starts = call.ints_operand_or_attribute("starts", 1) or ()
    ends = call.ints_operand_or_attribute("ends", 2) or ()
    axes = call.ints_operand_or_attribute("axes", 3) or tuple(range(len(starts)))
    steps = call.known_ints(4, "steps") if call.operand(4) is not None else (1,) * len(starts)
    ours = call.scope.type_of(x.value).shape
    start, stop, step = [0] * len(ours), list(ours), [1] * len(ours)
    if not len(starts) == len(ends) == len(axes) == len(steps) == len(set(axes)):
        raise UnsupportedFormError(f"from {list(starts)} to {list(ends)} of axes {list(axes)}")
    for axis, begin, end, stride in zip(axes, starts, ends, steps, strict=True):
        at = x.order.index(call.axis(axis, len(ours)))
        if stride < 1:
            raise UnsupportedFormError(f"with step {stride}")
        first, last, _ = slice(begin, end).indices(ours[at])
        # Of one image, its own bounds would tell nothing: those of the file do.
        cut = (begin, stride) != (0, 1) or (end < _WHATEVER_SIZE and end != call.scope.batch)
        if cut if ours[at] == 1 else (first, last, stride) != (0, ours[at], 1):
            call.refuse_across_images(x, call.axis(axis, len(ours)))
        start[at], stop[at], step[at] = first, max(first, last), stride
    if all(a < b for a, b in zip(start, stop, strict=True)):
        return call.result(Slice(tuple(start), tuple(stop), tuple(step)), [x.value], x.order)
    raise UnsupportedFormError("that leaves nothing")


@operator("Split", operands=2, reads="axis num_outputs split")
def split(call: Call) -> list[Tensor]:
    """Consecutive parts along one axis."""
    x = call.settled(0)
    axis = call.axis(call.int_attribute("axis", 0), len(x.shape))
    count = len(call.node.outputs)
    sizes = call.ints_operand_or_attribute("split", 1)
    if call.int_attribute("num_outputs", count) != count:
        raise UnsupportedFormError(f"whose num_outputs is not {count}, the number of its results")
    if sizes is not None and count > 1:
        call.refuse_across_images(x, axis)
    if sizes is None:
        if call.opset < 18 and x.shape[axis] % count:
            raise UnsupportedFormError(f"of {x.shape[axis]} into {count} parts that are not equal")
        chunk = -(-x.shape[axis] // count)
        sizes = tuple(min(chunk, x.shape[axis] - i * chunk) for i in range(count))
    if len(sizes) != count or sum(sizes) != x.shape[axis] or min(sizes) < 1:
        raise UnsupportedFormError(f"of {x.shape[axis]} into {list(sizes)}")
    parts = []
    start = 0
    for output, size in enumerate(sizes):
        parts.append(_cut(call, x, axis, (start, start + size, 1), None, output))
        start += size
    return parts


@operator("Gather", operands=2, reads="axis")
def gather(call: Call) -> Tensor:
    """A few constant indices of one axis: a channel, or channels in another order."""
    x = call.settled(0)
    axis = call.axis(call.int_attribute("axis", 0), len(x.shape))
    call.refuse_across_images(x, axis)
    indices = call.known(1, "indices")
    size = x.shape[axis]
    picked = [int(i) % size for i in np.atleast_1d(indices).ravel() if -size <= int(i) < size]
    if indices.ndim > 1 or len(picked) != indices.size or not 1 <= len(picked) <= _MOST_PICKED:
        raise UnsupportedFormError(f"of {indices.size} indices along an axis of {size}")
    parts = [_cut(call, x, axis, (i, i + 1, 1), f"picked{n}") for n, i in enumerate(picked)]
    if indices.ndim == 1:
        return call.result(Concat(x.order.index(axis)), [part.value for part in parts], x.order)
    order = tuple(a - (a > axis) for a in x.order if a != axis)
    ours = tuple(x.base[a] for a in x.order if a != axis)
    return call.result(Reshape(ours), [parts[0].value], order)


@operator("Pad", operands=4, reads="mode paddings pads value")
def pad(call: Call) -> Tensor:
    """With a constant."""
    x = call.settled(0)
    rank = len(x.shape)
    pads = call.ints_operand_or_attribute("pads", 1) or call.ints_attribute("paddings") or ()
    axes = call.known_ints(3, "axes") if call.operand(3) is not None else tuple(range(rank))
    if len(pads) != 2 * len(axes) or len({axis % rank for axis in axes}) != len(axes):
        raise UnsupportedFormError(f"by {list(pads)} along axes {list(axes)} of a tensor of rank {rank}")
    if call.text_attribute("mode", "constant") != "constant" or min(pads, default=-1) < 0:
        raise UnsupportedFormError(f"of mode {call.text_attribute('mode', 'constant')} by {list(pads)}")
    value = call.float_attribute("value", 0.0)
    if call.operand(2) is not None:
        value = float(call.known(2, "a value").reshape(()))
    before, after = [0] * rank, [0] * rank
    for i, axis in enumerate(axes):
        at = x.order.index(call.axis(axis, rank))
        before[at], after[at] = pads[i], pads[i + len(axes)]
    return call.result(Pad(tuple(before), tuple(after), value), [x.value], x.order)
