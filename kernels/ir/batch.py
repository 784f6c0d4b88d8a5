"""Which axis of every value counts the images of a batch, whose number is a symbol.

A graph is written for one image; with N of them every value that follows from an input has an axis N times as long. It may
be folded together with others: ``[outer, N, inner]`` in row-major order along one axis. An operator that computes across
an axis which counts images and nothing else (a softmax along it, a choice of one of them) makes a value that is *mixed*,
and so is what follows from it: computing image by image is not what the network means by a batch then. Where other axes
are folded in and an operator works along them, sizes alone do not tell what a batch would mean: the value is *untold*.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from accelserve.kernels.ir import float_ops as f
from accelserve.kernels.ir.graph import Graph, Node
from accelserve.kernels.ir.ops import Op

Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BatchAxis:
    """Where images are counted.

    Attributes:
        axis: of the value.
        outer, inner: what else the axis counts; its size is their product for one image, and N times that for N.
    """

    axis: int
    outer: int = 1
    inner: int = 1


@dataclass(frozen=True, slots=True)
class Mixed:
    """A value that depends on other images of the batch.

    Attributes:
        node, operator: what mixed them.
    """

    node: str
    operator: str


@dataclass(frozen=True, slots=True)
class Untold:
    """A value of an image, for which nothing tells how several images would stand in it."""


Batch: TypeAlias = BatchAxis | Mixed | Untold | None
"""None is a value without images: what follows from constants alone."""
Rule: TypeAlias = Callable[[Any, Sequence[BatchAxis | None], Sequence[Shape]], BatchAxis | None]

RULES: dict[type[Op], Rule] = {}
"""Operator or family -> the axis of its result; what it raises says that it mixes images."""


class _MixesImagesError(Exception):
    """An operator computes across images."""


class _UntoldError(Exception):
    """An operator works along an axis into which images are folded."""


def batch_axes(graph: Graph) -> dict[str, Batch]:
    """Value -> where it counts images; every input counts them along its first axis."""
    found: dict[str, Batch] = {name: BatchAxis(0) for name in graph.inputs}
    found |= dict.fromkeys(graph.constants)
    for node in graph:
        found[node.output] = _result(graph, node, [found[value] for value in node.inputs])
    return found


def _result(graph: Graph, node: Node, operands: Sequence[Batch]) -> Batch:
    mixed = [each for each in operands if isinstance(each, Mixed)]
    if mixed:
        return mixed[0]
    axes = [each for each in operands if each is None or isinstance(each, BatchAxis)]
    if len(axes) < len(operands):
        return Untold()
    if not any(axes):
        return None
    shapes = [graph.type_of(value).shape for value in (*node.inputs, node.output)]
    try:
        return _rule_of(type(node.op))(node.op, axes, shapes)
    except _MixesImagesError:
        return Mixed(node.name, node.op.label)
    except _UntoldError:
        return Untold()


def _rule_of(op: type[Op]) -> Rule:
    """The rule of an operator's class or its family; without one nothing tells where images stand."""
    found = next((RULES[each] for each in op.__mro__ if each in RULES), None)
    if found is None:
        raise _UntoldError
    return found


def _rule(*ops: type[Op]) -> Callable[[Rule], Rule]:
    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(ops, function))
        return function

    return register


def _told(condition: bool) -> None:
    if not condition:
        raise _UntoldError


def _apart(images: BatchAxis, condition: bool) -> None:
    """``condition`` says that the operator leaves the axis alone."""
    if not condition:
        raise _MixesImagesError if images.outer == images.inner == 1 else _UntoldError


def _of_first(axes: Sequence[BatchAxis | None]) -> BatchAxis:
    """The axis of the operand that is no parameter."""
    first = axes[0]
    if first is None or any(axes[1:]):
        raise _UntoldError  # weights that follow from an image
    return first


@_rule(f.Elementwise, f.ChannelAffine, f.Quantize, f.Dequantize)
def _element_by_element(op: Op, axes: Sequence[BatchAxis | None], shapes: Sequence[Shape]) -> BatchAxis:
    del op, shapes
    return _of_first(axes)


@_rule(f.Conv2d, f.Dense, f.MaxPool, f.AveragePool)
def _along_the_first_axis(op: Op, axes: Sequence[BatchAxis | None], shapes: Sequence[Shape]) -> BatchAxis:
    """Windows and rows lie behind the axis that counts images."""
    del op, shapes
    first = _of_first(axes)
    _apart(first, first.axis == 0)
    return first


@_rule(f.L2Normalize, f.LocalResponseNorm)
def _over_the_last_axis(op: Op, axes: Sequence[BatchAxis | None], shapes: Sequence[Shape]) -> BatchAxis:
    del op
    first = _of_first(axes)
    _apart(first, first.axis != len(shapes[0]) - 1)
    return first


@_rule(f.Softmax)
def _softmax(op: f.Softmax, axes: Sequence[BatchAxis | None], shapes: Sequence[Shape]) -> BatchAxis:
    del shapes
    first = _of_first(axes)
    _apart(first, first.axis != op.axis)
    return first


@_rule(f.Add, f.Mul)
def _broadcast(op: Op, axes: Sequence[BatchAxis | None], shapes: Sequence[Shape]) -> BatchAxis:
    """Operands that count images do so in the same way; others have a size of 1 there."""
    del op
    rank = len(shapes[-1])
    moved = {
        replace(a, axis=a.axis + rank - len(s)) for a, s in zip(axes, shapes, strict=False) if a is not None
    }
    _told(len(moved) == 1)
    (found,) = moved
    for each, shape in zip(axes, shapes, strict=False):
        at = found.axis - (rank - len(shape))
        _told(each is not None or at < 0 or shape[at] == 1)
    return found


@_rule(f.Concat)
def _concat(op: f.Concat, axes: Sequence[BatchAxis | None], shapes: Sequence[Shape]) -> BatchAxis:
    """Beside the batch; or along it, where the parts count images in the same way inside."""
    del shapes
    found = [each for each in axes if each is not None]
    first = found[0]
    if op.axis != first.axis:
        _told(len(set(found)) == 1)
        return first
    _told(len(found) == len(axes) and {(a.axis, a.inner) for a in found} == {(first.axis, first.inner)})
    return replace(first, outer=sum(each.outer for each in found))


@_rule(f.Transpose)
def _transpose(op: f.Transpose, axes: Sequence[BatchAxis | None], shapes: Sequence[Shape]) -> BatchAxis:
    del shapes
    first = _of_first(axes)
    return replace(first, axis=op.permutation.index(first.axis))


@_rule(f.Reshape)
def _reshape(op: f.Reshape, axes: Sequence[BatchAxis | None], shapes: Sequence[Shape]) -> BatchAxis:
    """The elements before and behind the images stay what they are; an axis of images alone is preferred."""
    first = _of_first(axes)
    before = math.prod(shapes[0][: first.axis]) * first.outer
    found: list[BatchAxis] = []
    for axis, size in enumerate(op.shape):
        ahead = math.prod(op.shape[:axis])
        if before % ahead == 0 and size % (before // ahead) == 0:
            outer = before // ahead
            inner = size // outer
            if ahead * outer == before and inner * math.prod(op.shape[axis + 1 :]) * before == math.prod(
                op.shape
            ):
                found.append(BatchAxis(axis, outer, inner))
    _told(bool(found))
    return min(found, key=lambda each: (each.outer * each.inner > 1, each.axis))


@_rule(f.Pad)
def _pad(op: f.Pad, axes: Sequence[BatchAxis | None], shapes: Sequence[Shape]) -> BatchAxis:
    del shapes
    first = _of_first(axes)
    _apart(first, op.before[first.axis] == op.after[first.axis] == 0)
    return first


@_rule(f.Slice)
def _slice(op: f.Slice, axes: Sequence[BatchAxis | None], shapes: Sequence[Shape]) -> BatchAxis:
    """All images, or whole turns of all of them."""
    first = _of_first(axes)
    start, stop, step = (bounds[first.axis] for bounds in (op.start, op.stop, op.step))
    if (start, stop, step) == (0, shapes[0][first.axis], 1):
        return first
    _apart(first, first.outer > 1 and step == 1 and start % first.inner == stop % first.inner == 0)
    return replace(first, outer=(stop - start) // first.inner)
