"""Explicit padding goes into the window that follows (exporters of Keras pad before strided layers)."""

from __future__ import annotations

from dataclasses import replace

from accelserve.kernels.compiler.rewriting import GraphIndex, Replacement, rewrite
from accelserve.kernels.ir import AveragePool, Clip, Conv2d, Graph, MaxPool, Node, Op, Pad, Window


def fold_pad(graph: Graph) -> tuple[Graph, bool]:
    """A window over a padded image pads by itself.

    0. The Pad adds zeros, to rows and columns only.
    1. Conv2d: its padding grows.
    2. MaxPool: likewise, if the image is known to have no negative element (a Clip from 0 on made it), since our
       padding never wins and zeros might have; and if no window would see padding only.
    3. AveragePool that pads nothing, or counts what it pads: its padding grows and counts.
    """
    return rewrite(graph, _rule)


def _rule(index: GraphIndex, node: Node) -> Replacement | None:
    pad = index.producers.get(node.inputs[0]) if node.inputs else None
    if pad is None or not isinstance(pad.op, Pad) or not _only_zeros_around(pad.op):
        return None
    op = _padded(index, node.op, pad)
    return (
        None
        if op is None
        else Replacement((Node(node.name, op, (pad.inputs[0], *node.inputs[1:]), node.output),))
    )


def _only_zeros_around(pad: Pad) -> bool:
    outside = (*pad.before[:1], *pad.before[3:], *pad.after[:1], *pad.after[3:])
    return len(pad.before) == 4 and pad.value == 0.0 and not any(outside)


def _padded(index: GraphIndex, op: Op, pad: Node) -> Op | None:
    if not isinstance(pad.op, Pad):
        return None
    match op:
        case Conv2d():
            return replace(op, window=_grown(op.window, pad.op))
        case MaxPool():
            maker = index.producers.get(pad.inputs[0])
            positive = maker is not None and isinstance(maker.op, Clip) and maker.op.low >= 0
            window = _grown(op.window, pad.op)
            return MaxPool(window) if positive and _always_sees_the_image(window) else None
        case AveragePool() if op.count_padding or not any(op.window.padding):
            return AveragePool(_grown(op.window, pad.op), count_padding=True)
        case _:
            return None


def _always_sees_the_image(window: Window) -> bool:
    extents = [(k - 1) * d + 1 for k, d in zip(window.kernel, window.dilations, strict=True)]
    # A dilated window may step over the image even so.
    return window.dilations == (1, 1) and all(p < e for p, e in zip(window.padding, extents * 2, strict=True))


def _grown(window: Window, pad: Pad) -> Window:
    cells = (*pad.before[1:3], *pad.after[1:3])
    top, left, bottom, right = (p + c for p, c in zip(window.padding, cells, strict=True))
    return replace(window, padding=(top, left, bottom, right))
