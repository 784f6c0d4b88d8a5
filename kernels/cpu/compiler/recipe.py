"""The nodes' steps between copies of what comes in and what goes out."""

from __future__ import annotations

from collections.abc import Sequence

from accelserve.kernels.cpu.compiler.lowering import Context
from accelserve.kernels.cpu.compiler.strided_copy import copy_step, dense_strides, strides_of
from accelserve.kernels.cpu.plan.steps import Patch, Recipe, Step
from accelserve.kernels.cpu.records.copies import SOURCE, TARGET
from accelserve.kernels.ir import Node, Reshape, TensorType


def recipe(context: Context, node_steps: Sequence[Step]) -> Recipe:
    """Put copies between the caller's dense arrays and the arena around the nodes' steps."""
    graph = context.plan.graph
    steps: list[Step] = []
    reads, writes = [], []
    for name in graph.inputs:
        place = context.placement(name)
        reads.append(Patch(len(steps), SOURCE, name))
        steps.append(_outside_copy(context, name, place.type, inwards=True))
    steps.extend(node_steps)
    for public, value in graph.outputs.items():
        writes.append(Patch(len(steps), TARGET, public))
        steps.append(_outside_copy(context, value, context.type_of(value), inwards=False))
    return Recipe(steps, context.blocks.all, reads, writes)


def _outside_copy(context: Context, value: str, kind: TensorType, *, inwards: bool) -> Step:
    place, size = context.placement(value), kind.dtype.size_bytes
    outside, inside = dense_strides(kind.shape, size), strides_of(place)
    node = Node(f"{value} {'in' if inwards else 'out'}", Reshape(kind.shape), (value,), value)
    if inwards:
        framed = place if len(kind.shape) == 4 else None
        return copy_step(
            node,
            context,
            shape=kind.shape,
            source=0,
            source_strides=outside,
            target=context.address(value),
            target_strides=inside,
            frame=framed,
            size=size,
        )
    return copy_step(
        node,
        context,
        shape=kind.shape,
        source=context.address(value),
        source_strides=inside,
        target=0,
        target_strides=outside,
        frame=None,
        size=size,
    )
