"""Where every value of a segment lives in the device's arena.

A value is pixels of channels: the last axis is contiguous, and pixels are ``step`` bytes apart. So a part of a
concatenation is a view of the whole with the whole's step, and its producer writes there directly; a reshape is the
same bytes under another name. Only what neither rule covers is moved.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from accelserve.kernels.compiler.memory import Lifetime, assign_offsets
from accelserve.kernels.errors import PlanError
from accelserve.kernels.ir import Concat, Graph, Node, QConv2d, Reshape, TensorType
from accelserve.kernels.opencl.engine.segment import Border, bordered_shape, channels_of

SLACK_BYTES = 4096
"""Readable bytes behind the arena: a vector load of the last pixel may reach past it; zero weights meet what it reads."""
ARENA_LIMIT_BYTES = 2**31 - 1 - SLACK_BYTES


@dataclass(frozen=True, slots=True)
class View:
    """Bytes of a value inside the region of its root.

    Attributes:
        root: name of the value that owns the region.
        offset: bytes from the region's start.
        step: bytes between consecutive pixels.
    """

    root: str
    offset: int
    step: int


@dataclass(frozen=True, slots=True)
class Storage:
    """Placement of a segment's values.

    Attributes:
        views: value -> its bytes; offsets count from the arena's start.
        borders: input value -> the border it is stored with.
        arena_bytes: size of the arena, slack included.
    """

    views: Mapping[str, View]
    borders: Mapping[str, Border]
    arena_bytes: int


def dense_step(kind: TensorType) -> int:
    """Bytes between pixels when nothing lies between them."""
    return channels_of(kind) * kind.dtype.size_bytes


def assign_storage(graph: Graph, vec: int) -> Storage:
    """Homes, borders and arena offsets for a segment run by an engine with ``vec`` input channels per cycle.

    Raises:
        PlanError: the arena would be larger than the engine's 31-bit addresses reach.
    """
    borders = _borders(graph, vec)
    views = _views(graph)
    offsets, total = _place(graph, views, borders)
    if total > ARENA_LIMIT_BYTES:
        raise PlanError(
            f"the activations of one image need {total} bytes but the engine addresses {ARENA_LIMIT_BYTES}; "
            "use smaller images or --device cpu"
        )
    placed = {name: View(v.root, offsets[v.root] + v.offset, v.step) for name, v in views.items()}
    return Storage(placed, borders, total + SLACK_BYTES)


def _place(
    graph: Graph, views: Mapping[str, View], borders: Mapping[str, Border]
) -> tuple[dict[str, int], int]:
    """Offset of every root's region, and the bytes of all."""
    lives = _lifetimes(graph, views)
    regions = [
        Lifetime(size_bytes=max(1, _stored_bytes(graph, root, borders)), first=first, last=last)
        for root, (first, last) in lives.items()
    ]
    offsets, total = assign_offsets(regions)
    return dict(zip(lives, offsets, strict=True)), total


def folds(node: Node, channels: int, vec: int) -> bool:
    """Whether a convolution of a bordered input saves cycles by reading one row of taps as one run of bytes."""
    op = node.op
    if not isinstance(op, QConv2d) or op.groups != 1 or op.window.dilations[1] != 1:
        return False
    taps = op.window.kernel[1]
    return math.ceil(taps * channels / vec) < taps * math.ceil(channels / vec)


def _borders(graph: Graph, vec: int) -> dict[str, Border]:
    borders: dict[str, Border] = {}
    readers = graph.consumers()
    for value, kind in graph.inputs.items():
        nodes = readers.get(value, [])
        if len(kind.shape) != 4 or not nodes:
            continue
        if not all(
            folds(n, kind.shape[3], vec) and n.inputs.count(value) == 1 and n.inputs[0] == value
            for n in nodes
        ):
            continue
        wanted = {
            Border(*n.op.window.padding, n.op.input_zero_point) for n in nodes if isinstance(n.op, QConv2d)
        }
        if len(wanted) == 1:
            borders[value] = wanted.pop()
    return borders


def _views(graph: Graph) -> dict[str, View]:
    homes = _homes(graph)
    views = {value: View(value, 0, dense_step(kind)) for value, kind in graph.inputs.items()}
    for node in graph:
        kind = graph.type_of(node.output)
        view = homes.get(node.output, View(node.output, 0, dense_step(kind)))
        if isinstance(node.op, Reshape) and node.output not in homes:
            source = views[node.inputs[0]]
            if source.step == dense_step(graph.type_of(node.inputs[0])):
                view = View(source.root, source.offset, dense_step(kind))
        views[node.output] = view
    return views


def _homes(graph: Graph) -> dict[str, View]:
    """Views inside another value's region, found from the last node to the first."""
    homes: dict[str, View] = {}
    producers = graph.producers()
    for node in reversed(graph.nodes):
        if isinstance(node.op, Concat):
            _house_operands(graph, node, homes, producers)
        elif isinstance(node.op, Reshape) and node.output in homes:
            source = node.inputs[0]
            if source in producers and source not in homes:
                home = homes[node.output]
                homes[source] = View(home.root, home.offset, dense_step(graph.type_of(source)))
    return homes


def _house_operands(graph: Graph, node: Node, homes: dict[str, View], producers: Mapping[str, Node]) -> None:
    kind = graph.type_of(node.output)
    whole = homes.get(node.output, View(node.output, 0, dense_step(kind)))
    parts = concat_parts(graph, node, whole)
    if node.output not in homes:
        shared = _prefix_of_another(node, parts, homes)
        # Slabs (an axis before the last) are one run of pixels, so they also need the pixels without gaps.
        if shared is not None and (shared.step == whole.step or _joins_channels(graph, node)):
            homes[node.output] = shared
            return
    for value, part in zip(node.inputs, parts, strict=True):
        if part is None or value in homes or value not in producers:
            continue
        dense = part.step == dense_step(graph.type_of(value))
        if dense or not isinstance(producers[value].op, Reshape):
            homes[value] = part


def _joins_channels(graph: Graph, node: Node) -> bool:
    return isinstance(node.op, Concat) and node.op.axis == len(graph.type_of(node.output).shape) - 1


def concat_parts(graph: Graph, node: Node, whole: View) -> tuple[View | None, ...]:
    """View of each operand inside the concatenation, or None where its pixels are not evenly spaced there."""
    shape = graph.type_of(node.output).shape
    axis, last = node.op.axis if isinstance(node.op, Concat) else 0, len(shape) - 1
    parts: list[View | None] = []
    start = 0
    for value in node.inputs:
        kind = graph.type_of(value)
        if axis == last:
            parts.append(View(whole.root, whole.offset + start * kind.dtype.size_bytes, whole.step))
        elif math.prod(shape[:axis]) == 1:
            pixels = start * math.prod(shape[axis + 1 : -1])
            parts.append(View(whole.root, whole.offset + pixels * whole.step, whole.step))
        else:
            parts.append(None)
        start += kind.shape[axis]
    return tuple(parts)


def _prefix_of_another(node: Node, parts: tuple[View | None, ...], homes: Mapping[str, View]) -> View | None:
    """The region where all operands already lie as this concatenation wants them (DenseNet's growing stacks)."""
    first = homes.get(node.inputs[0])
    if first is None or parts[0] is None:
        return None
    for value, part in zip(node.inputs, parts, strict=True):
        home = homes.get(value)
        if home is None or part is None or home.root != first.root or home.step != first.step:
            return None
        if home.offset - first.offset != part.offset - parts[0].offset:
            return None
    return first


def _stored_bytes(graph: Graph, root: str, borders: Mapping[str, Border]) -> int:
    kind = graph.type_of(root)
    shape = bordered_shape(kind.shape, borders.get(root, Border()))
    return math.prod(shape) * kind.dtype.size_bytes


def _lifetimes(graph: Graph, views: Mapping[str, View]) -> dict[str, tuple[int, int]]:
    """Root -> (step that first writes its region, step that last reads it)."""
    lives: dict[str, tuple[int, int]] = {}

    def touch(value: str, when: int) -> None:
        root = views[value].root
        begin, end = lives.get(root, (when, when))
        lives[root] = (min(begin, when), max(end, when))

    for value in graph.inputs:
        touch(value, -1)
    for when, node in enumerate(graph):
        for value in (*node.inputs, node.output):
            if value in views:
                touch(value, when)
    for value in graph.outputs.values():
        touch(value, len(graph.nodes))
    return lives
