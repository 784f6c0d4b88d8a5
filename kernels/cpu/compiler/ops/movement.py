"""Operators that move bytes: input and output copies, concat operands that could not be placed, views that could not.

Most are one step, that of ``strided_copy``.
"""

from __future__ import annotations

from collections.abc import Sequence

from accelserve.kernels.compiler.layout import NO_HALO, Placement
from accelserve.kernels.cpu.compiler.frames import fill_halo, rows_of_item
from accelserve.kernels.cpu.compiler.lowering import Context, Field, Step, float_bits, lowers, record_of
from accelserve.kernels.cpu.compiler.step_function import step
from accelserve.kernels.cpu.compiler.strided_copy import copy_step, dense_strides, strides_of
from accelserve.kernels.cpu.records import copies as f
from accelserve.kernels.cpu.records.frame import CHANNELS, FRAME, HEIGHT, PIXEL, ROW, WIDTH
from accelserve.kernels.errors import PlanError, UnsupportedNodesError
from accelserve.kernels.ir import Concat, Node, Pad, Reshape, Slice, Transpose
from accelserve.kernels.native.memory import copy_bytes, field, fill_bytes, s32_at


@step
def fill(record: int, item: int, thread: int) -> None:  # noqa: ARG001 - every step has this signature
    """Set rows of a frame with its halo, or all of a tensor of another rank, to one element's bits; items share the rows."""
    target, size, value = (
        field(record, f.TARGET),
        field(record, f.ELEMENT),
        field(record, f.VALUE),
    )
    rows, columns = field(record, f.SHAPE + 1), field(record, f.SHAPE + 2)
    inner = field(record, f.SHAPE + 3)
    row_stride, stride = (
        field(record, f.TARGET_STRIDES + 1),
        field(record, f.TARGET_STRIDES + 2),
    )
    first, last = rows_of_item(item, field(record, f.ITEMS), rows)
    for row in range(first, last):
        for column in range(columns):
            at = target + row * row_stride + column * stride
            if size == 1:
                fill_bytes(at, inner, value)
            else:
                words = s32_at(at, inner)
                for i in range(inner):
                    words[i] = value
    fill_halo(record + 8 * f.HALO, first, last)


@step
def reflow(record: int, item: int, thread: int) -> None:  # noqa: ARG001 - every step has this signature
    """Bytes of one frame, pixel after pixel, into the pixels of another of other sizes."""
    run, target_run = field(record, f.SOURCE_FRAME + CHANNELS), field(record, f.HALO + CHANNELS)
    width, target_width = field(record, f.SOURCE_FRAME + WIDTH), field(record, f.HALO + WIDTH)
    position = 0
    end = run * width * field(record, f.SOURCE_FRAME + HEIGHT)
    while position < end:
        pixel, target_pixel = position // run, position // target_run
        source = field(record, f.SOURCE_FRAME) + pixel // width * field(record, f.SOURCE_FRAME + ROW)
        source += pixel % width * field(record, f.SOURCE_FRAME + PIXEL) + position % run
        target = field(record, f.HALO) + target_pixel // target_width * field(record, f.HALO + ROW)
        target += target_pixel % target_width * field(record, f.HALO + PIXEL) + position % target_run
        count = min(run - position % run, target_run - position % target_run)
        copy_bytes(target, source, count)
        position += count
    fill_halo(record + 8 * f.HALO, 0, field(record, f.HALO + HEIGHT))


def _from_to(
    node: Node, context: Context, source: str, shape: Sequence[int], strides: Sequence[int], start: int
) -> Step:
    """Copy elements of ``source``, chosen by strides, to the whole of the node's result."""
    target = context.placement(node.output)
    return copy_step(
        node,
        context,
        shape=shape,
        source=context.address(source) + start,
        source_strides=strides,
        target=context.address(node.output),
        target_strides=strides_of(target),
        frame=target if len(target.type.shape) == f.RANK else None,
        size=target.type.dtype.size_bytes,
    )


@lowers(Transpose)
def lower_transpose(node: Node, op: Transpose, context: Context) -> Sequence[Step]:
    """A strided copy in the result's order."""
    strides = strides_of(context.placement(node.inputs[0]))
    chosen = [strides[axis] for axis in op.permutation]
    return (_from_to(node, context, node.inputs[0], context.type_of(node.output).shape, chosen, 0),)


@lowers(Slice)
def lower_slice(node: Node, op: Slice, context: Context) -> Sequence[Step]:
    """A strided copy from the first element kept."""
    strides = strides_of(context.placement(node.inputs[0]))
    start = sum(first * each for first, each in zip(op.start, strides, strict=True))
    chosen = [each * by for each, by in zip(strides, op.step, strict=True)]
    return (_from_to(node, context, node.inputs[0], context.type_of(node.output).shape, chosen, start),)


@lowers(Reshape)
def lower_reshape(node: Node, op: Reshape, context: Context) -> Sequence[Step]:
    """Nothing where the result is a view; else a copy through whichever of the two shapes is not dense."""
    del op
    source, target = context.placement(node.inputs[0]), context.placement(node.output)
    origin, result = context.address(node.inputs[0]), context.address(node.output)
    if origin == result and source.dense and target.dense:
        return ()
    size = target.type.dtype.size_bytes
    if target.dense and target.halo == NO_HALO:
        shape, strides = source.type.shape, strides_of(source)
        return (
            copy_step(
                node,
                context,
                shape=shape,
                source=origin,
                source_strides=strides,
                target=result,
                target_strides=dense_strides(shape, size),
                frame=None,
                size=size,
            ),
        )
    if source.dense:
        shape = target.type.shape
        return (_from_to(node, context, node.inputs[0], shape, dense_strides(shape, size), 0),)
    fields = {**context.frame(node.output, f.HALO), **context.frame(node.inputs[0], f.SOURCE_FRAME)}
    return (
        Step(
            name=node.name,
            operator="reflow",
            function=reflow,
            fields=record_of(f.COPIES, fields),
            items=1,
            shape=target.type.shape,
        ),
    )


@lowers(Concat)
def lower_concat(node: Node, op: Concat, context: Context) -> Sequence[Step]:
    """A copy of every operand that does not live in its slice of the result already."""
    target = context.placement(node.output)
    if target.halo != NO_HALO and op.axis != 3:
        raise PlanError(f"'{node.name}' joins rows into a frame with a halo, which its parts do not know")
    strides = strides_of(target)
    size = target.type.dtype.size_bytes
    steps = []
    offset = 0
    for value in node.inputs:
        source = context.placement(value)
        slot = context.address(node.output) + offset
        offset += source.type.shape[op.axis] * strides[op.axis]
        if value in context.plan.placements and context.address(value) == slot:
            continue
        framed = op.axis == 3 and len(source.type.shape) == f.RANK
        frame = Placement(
            buffer=target.buffer,
            origin=0,
            type=source.type,
            pixel_pitch=target.pixel_pitch,
            row_pitch=target.row_pitch,
            halo=target.halo,
            fill=target.fill,
        )
        steps.append(
            copy_step(
                node,
                context,
                shape=source.type.shape,
                source=context.address(value),
                source_strides=strides_of(source),
                target=slot,
                target_strides=strides,
                frame=frame if framed else None,
                size=size,
            )
        )
    return steps


def _rows_to_fill(target: Placement) -> tuple[tuple[int, int, int, int], list[int]]:
    """A frame, or the images of an inner batch below each other, or any other tensor as one row of one pixel."""
    kind, size = target.type, target.type.dtype.size_bytes
    if len(kind.shape) != f.RANK:
        return (1, 1, 1, kind.elements), [0, 0, 0, size]
    images, height, width, channels = kind.shape
    return (1, images * height, width, channels), [0, target.row_pitch, target.pixel_pitch, size]


@lowers(Pad)
def lower_pad(node: Node, op: Pad, context: Context) -> Sequence[Step]:
    """Fill everything, then copy the middle."""
    source, target = context.placement(node.inputs[0]), context.placement(node.output)
    size = target.type.dtype.size_bytes
    strides = strides_of(target)
    if size not in (1, 4):
        raise UnsupportedNodesError([(node.name, f"Pad of {target.type.dtype.value}")])
    shape, steps = _rows_to_fill(target)
    items = context.shares(shape[1])
    no_frame: dict[int, Field] = dict.fromkeys(range(f.HALO, f.HALO + FRAME.words), 0)
    bits = int(op.value) & 0xFF if size == 1 else float_bits(op.value)
    background = Step(
        name=f"{node.name}/fill",
        operator="fill",
        function=fill,
        fields=record_of(
            f.COPIES,
            {
                f.VALUE: bits,
                f.TARGET: context.address(node.output),
                **dict(enumerate(shape, f.SHAPE)),
                **dict(enumerate(steps, f.TARGET_STRIDES)),
                f.ELEMENT: size,
                f.ITEMS: items,
            },
            context.frame(node.output, f.HALO) if target.halo != NO_HALO else no_frame,
        ),
        items=items,
        shape=target.type.shape,
    )
    start = sum(before * each for before, each in zip(op.before, strides, strict=True))
    middle = copy_step(
        node,
        context,
        shape=source.type.shape,
        source=context.address(node.inputs[0]),
        source_strides=strides_of(source),
        target=context.address(node.output) + start,
        target_strides=strides,
        frame=None,
        size=size,
    )
    return (background, middle)
