"""Where values count the images of a batch, operator by operator; numpy on two images is the judge of the last test."""

from __future__ import annotations

import numpy as np
import pytest

from accelserve.kernels import ir
from accelserve.kernels.ir import Graph, Node, Op, TensorType
from accelserve.kernels.ir.batch import Batch, BatchAxis, Mixed, Untold, batch_axes

F32 = ir.DType.F32


def after(shape: tuple[int, ...], *ops: Op) -> Batch:
    """Where the result of operators of one operand, in a row, counts images."""
    nodes = []
    value = "x"
    for number, op in enumerate(ops):
        nodes.append(Node(f"n{number}", op, (value,), f"v{number}"))
        value = f"v{number}"
    return batch_axes(Graph({"x": TensorType(shape, F32)}, tuple(nodes), {}, {"y": value}))[value]


def test_an_operator_without_a_rule_is_untold() -> None:
    class Unruled(Op):
        __slots__ = ()

        def infer(self, operands: tuple[TensorType, ...]) -> TensorType:
            return operands[0]

    assert after((1, 4), Unruled()) == Untold()


@pytest.mark.parametrize(
    ("shape", "ops", "expected"),
    [
        ((1, 4, 6), [ir.Transpose((1, 0, 2))], BatchAxis(1)),
        ((1, 4, 6), [ir.Transpose((1, 0, 2)), ir.Transpose((1, 0, 2))], BatchAxis(0)),
        ((1, 4, 6), [ir.Reshape((24,))], BatchAxis(0, 1, 24)),
        ((1, 4, 6), [ir.Reshape((1, 24))], BatchAxis(0)),
        ((1, 4, 6), [ir.Reshape((2, 2, 6))], BatchAxis(0, 1, 2)),
        ((1, 4, 6), [ir.Reshape((2, 2, 6)), ir.Reshape((1, 24))], BatchAxis(0)),
        ((1, 4, 6), [ir.Transpose((1, 0, 2)), ir.Reshape((4, 6))], BatchAxis(0, 4, 1)),
        ((1, 4, 6), [ir.Transpose((1, 0, 2)), ir.Reshape((4, 6)), ir.Reshape((4, 1, 6))], BatchAxis(1)),
        ((1, 4, 6), [ir.Slice((0, 1, 0), (1, 3, 6), (1, 1, 2))], BatchAxis(0)),
        ((1, 4, 6), [ir.Reshape((4, 6)), ir.Slice((1, 0), (3, 6), (1, 1))], Untold()),
        ((1, 4, 6), [ir.Slice((0, 0, 0), (0, 4, 6), (1, 1, 1))], Mixed("n0", "Slice")),
        ((1, 4, 6), [ir.Reshape((4, 6)), ir.Softmax(0)], Untold()),
        ((1, 4, 6), [ir.Softmax(2)], BatchAxis(0)),
        ((1, 4, 6), [ir.Softmax(0)], Mixed("n0", "Softmax")),
        ((1, 4, 6), [ir.Softmax(0), ir.Clip()], Mixed("n0", "Softmax")),
        ((1, 4, 6), [ir.Pad((1, 0, 0), (0, 0, 0))], Mixed("n0", "Pad")),
        ((1, 4, 6), [ir.Pad((0, 1, 0), (0, 0, 0))], BatchAxis(0)),
        ((1, 4), [ir.Transpose((1, 0)), ir.L2Normalize()], Mixed("n1", "L2Normalize")),
    ],
)  # fmt: skip
def test_the_axis_is_followed(shape: tuple[int, ...], ops: list[Op], expected: Batch) -> None:
    assert after(shape, *ops) == expected


def two(op: Op, a: tuple[int, ...], b: tuple[int, ...] | None) -> Batch:
    """Of an image's Reshape to ``a``, and a constant of shape ``b`` or, for None, the same again."""
    elements = int(np.prod(a))
    inputs = {"x": TensorType((1, elements), F32)}
    constants = {} if b is None else {"k": np.zeros(b, np.float32)}
    nodes = (Node("a", ir.Reshape(a), ("x",), "a"), Node("n", op, ("a", "a" if b is None else "k"), "y"))
    return batch_axes(Graph(inputs, nodes, constants, {"y": "y"}))["y"]


@pytest.mark.parametrize(
    ("op", "a", "b", "expected"),
    [
        (ir.Add(), (1, 4), None, BatchAxis(0)),
        (ir.Add(), (1, 4), (4,), BatchAxis(0)),
        (ir.Mul(), (1, 4), (3, 1, 4), BatchAxis(1)),
        (ir.Add(), (1, 4), (3, 4), Untold()),
        (ir.Concat(1), (1, 4), (1, 2), BatchAxis(0)),
        (ir.Concat(0), (1, 4), (1, 4), Untold()),
        (ir.Concat(0), (1, 4), None, BatchAxis(0, 2, 1)),
        (ir.Concat(0), (2, 2), None, BatchAxis(0, 2, 2)),
    ],
)
def test_two_operands_agree(op: Op, a: tuple[int, ...], b: tuple[int, ...] | None, expected: Batch) -> None:
    assert two(op, a, b) == expected


def test_what_follows_from_constants_counts_no_images() -> None:
    constants = {"k": np.zeros((1, 4), np.float32)}
    graph = Graph({"x": TensorType((1, 4), F32)}, (Node("n", ir.Clip(), ("k",), "y"),), constants, {"y": "y"})
    assert batch_axes(graph)["y"] is None
