"""The graph while it grows, and how tensors come into the arrangement that an operator needs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from accelserve.kernels.ir import Array, DType, Graph, Node, Op, Reshape, TensorType, Transpose
from accelserve.models.importing.values import IMAGE, Order, Tensor


class Scope:
    """Collects nodes and constants; every name it gives is unique."""

    def __init__(
        self,
        inputs: Mapping[str, TensorType],
        reserved: frozenset[str] = frozenset(),
        batch: int = 1,
        *,
        of_batches: bool = False,
    ) -> None:
        """Numbered names that are made up here keep clear of ``reserved``, the names of the file's values.

        ``batch`` is the number of images that the file fixes its input to; here it is one image. ``of_batches`` says that
        the file is for several: its batch is open, or fixed at more than one. ``batch_leads`` is unset by the first node
        after which ONNX's first axis of a value may be another than the one that grows with the batch.
        """
        self.batch = batch
        self.of_batches = of_batches
        self.batch_leads = True
        self._inputs = dict(inputs)
        self._nodes: list[Node] = []
        self._constants: dict[str, Array] = {}
        self._types: dict[str, TensorType] = dict(inputs)
        self._node_names: set[str] = set()
        self._arranged: dict[tuple[Tensor, Order], str] = {}
        self._reserved = reserved

    def type_of(self, value: str) -> TensorType:
        """Type of a value."""
        return self._types[value]

    def constant(self, array: Array, name: str) -> str:
        """Name of a constant; ``name`` itself unless it is taken by other data."""
        same = self._constants.get(name)
        if same is not None and same.dtype == array.dtype and np.array_equal(same, array):
            return name
        unique = name if name not in self._types else self._unused(name, self._types)
        self._constants[unique] = array
        self._types[unique] = TensorType(tuple(array.shape), DType.of(array))
        return unique

    def emit(self, op: Op, operands: Sequence[str], node: str, value: str) -> str:
        """Append a node and give its result's name; ShapeMismatchError if the operands do not fit."""
        result = op.infer(tuple(self._types[operand] for operand in operands))
        name = node if node not in self._node_names else self._unused(node, self._node_names)
        output = value if value not in self._types else self._unused(value, self._types)
        self._node_names.add(name)
        self._types[output] = result
        self._nodes.append(Node(name, op, tuple(operands), output))
        return output

    def stand_in(self, kind: TensorType, name: str) -> str:
        """A value that nothing makes, for judging what reads it; no graph can be finished with it."""
        unique = name if name not in self._types else self._unused(name, self._types)
        self._types[unique] = kind
        return unique

    def arranged(self, tensor: Tensor, order: Order) -> str:
        """Name of the value that holds ``tensor`` with its axes in ``order``; transposes once for all readers."""
        if tensor.reshaped is None and tensor.order == order:
            return tensor.value
        key = (tensor, order)
        if key not in self._arranged:
            if tensor.reshaped is None:
                self._arranged[key] = self._rearranged(tensor, order)
            else:
                self._arranged[key] = self._reshaped(tensor, tensor.reshaped, order)
        return self._arranged[key]

    def graph(self, outputs: Mapping[str, str]) -> Graph:
        """The finished graph, without what its outputs do not need."""
        whole = Graph(self._inputs, tuple(self._nodes), self._constants, dict(outputs))
        return whole.with_nodes(whole.nodes)

    def _rearranged(self, tensor: Tensor, order: Order) -> str:
        permutation = tuple(tensor.order.index(axis) for axis in order)
        shape = tuple(tensor.base[axis] for axis in order)
        moved = [p for p in permutation if self._types[tensor.value].shape[p] > 1]
        # A Reshape does not tell axes of size 1 apart; the first one counts images, which must not get lost.
        op: Op = Reshape(shape) if moved == sorted(moved) and permutation[0] == 0 else Transpose(permutation)
        return self._step(op, tensor.value, "arranged")

    def _reshaped(self, tensor: Tensor, target: tuple[int, ...], order: Order) -> str:
        """Make a waiting reshape: bring every group of axes that merges side by side, then reshape."""
        groups = reshape_groups(tensor.base, target)
        start = {outer[0]: (inner, outer) for inner, outer in groups if outer}
        wanted: list[tuple[int, ...]] = []
        position = 0
        while position < len(order):
            inner, outer = start.get(order[position], ((), ()))
            if not outer or order[position : position + len(outer)] != outer:
                plain = Tensor(self.arranged(tensor, identity(target)), target, identity(target))
                return self.arranged(plain, order)
            wanted.append(inner)
            position += len(outer)
        first: Order = tuple(axis for group in wanted for axis in group)
        first += tuple(axis for axis in range(len(tensor.base)) if axis not in first)
        source = self.arranged(Tensor(tensor.value, tensor.base, tensor.order), first)
        return self._step(Reshape(tuple(target[axis] for axis in order)), source, "reshaped")

    def _step(self, op: Op, operand: str, what: str) -> str:
        name = f"{operand}/{what}"
        return self.emit(op, (operand,), name, name)

    def _unused(self, name: str, taken: Mapping[str, object] | set[str]) -> str:
        number = 1
        while f"{name}_{number}" in taken or f"{name}_{number}" in self._reserved:
            number += 1
        return f"{name}_{number}"


def identity(axes: Sequence[int]) -> Order:
    """The order of a tensor whose axes stand as ONNX's do."""
    return tuple(range(len(axes)))


def reshape_groups(
    source: Sequence[int], target: Sequence[int]
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Smallest runs of axes of ``source`` and ``target`` with the same product, in order; sizes are 1 or more.

    Every axis is in exactly one run; a run may have no axes on one side when those of the other have size 1.
    """
    groups: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    i = j = 0
    while i < len(source) or j < len(target):
        begin = (i, j)
        i, j = min(i + 1, len(source)), min(j + 1, len(target))
        while math.prod(source[begin[0] : i]) != math.prod(target[begin[1] : j]):
            if math.prod(source[begin[0] : i]) < math.prod(target[begin[1] : j]):
                i += 1
            else:
                j += 1
        groups.append((tuple(range(begin[0], i)), tuple(range(begin[1], j))))
    return groups


def arrangement(base: Sequence[int], order: Order, target: Sequence[int]) -> tuple[Order, bool]:
    """How a tensor's axes best stand after a reshape, and whether it is a mere view of them.

    Args:
        base: ONNX shape before.
        order: how our axes hold those of ``base``.
        target: ONNX shape after.

    Returns:
        The order of the target's axes that moves the least: one that leaves our shape as it is, else NHWC or
        ONNX's own if they fit; and False if axes that merge do not stand side by side, so that data must move.
    """
    groups = reshape_groups(base, target)
    ours = [axis for axis in order if base[axis] > 1]
    sequence = sorted(
        (group for group in groups if any(base[axis] > 1 for axis in group[0])),
        key=lambda group: min(ours.index(axis) for axis in group[0] if base[axis] > 1),
    )
    is_view = ours == [axis for inner, _ in sequence for axis in inner if base[axis] > 1]
    wide = [axis for _, outer in sequence for axis in outer if target[axis] > 1]
    narrow = [axis for axis in range(len(target)) if target[axis] == 1]
    fitting = [
        candidate
        for candidate in (IMAGE, identity(target), (*narrow, *wide))
        if len(candidate) == len(target) and [axis for axis in candidate if target[axis] > 1] == wide
    ]
    shape = [base[axis] for axis in order]
    unmoved = [candidate for candidate in fitting if [target[axis] for axis in candidate] == shape]
    return (unmoved or fitting)[0], is_view
