"""An ONNX graph while it is written: which value is held under which name, with its axes in which order.

ONNX's image operators are NCHW; ours are NHWC. A Transpose is written only where a reader needs another order than
the one its operand is held in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
import onnx
from onnx import helper, numpy_helper

from accelserve.kernels.ir import Array, Dequantize, DType, Graph, Node, Op, TensorType
from accelserve.models.errors import ConversionError

Axes: TypeAlias = tuple[int, ...]
"""``axes[j]`` is our axis that ONNX axis j holds: onnx = ours.transpose(axes)."""

NCHW: Axes = (0, 3, 1, 2)
WEIGHTS: Axes = (0, 3, 1, 2)
"""ONNX's [K, C, R, S] of our [K, R, S, C]."""


class OnnxWriter:
    """Collects ONNX nodes and initializers for one graph."""

    def __init__(self, graph: Graph, *, batchable: bool) -> None:
        self.graph = graph
        self.batchable = batchable
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self._held: dict[str, dict[Axes, str]] = {}
        # Names of outputs are kept for them: constants and steps may have taken them otherwise.
        self._kept = set(graph.outputs) - set(graph.inputs)
        self._names: set[str] = set(self._kept)
        self._node_names: set[str] = set()
        self._producers = graph.producers()
        # A public name belongs to the output alone, unless output and value are the same.
        self._public = {public for public, value in graph.outputs.items() if public != value}
        self._renamed = {v for p, v in graph.outputs.items() if p == v and len(graph.type_of(v).shape) == 4}

    def type_of(self, value: str) -> TensorType:
        """Type of a value, in our axis order."""
        return self.graph.type_of(value)

    def hold(self, value: str, axes: Axes, name: str) -> None:
        """Note that ONNX value ``name`` is ``value`` with its axes in ``axes``."""
        self._held.setdefault(value, {}).setdefault(axes, name)

    def axes_of(self, value: str) -> Axes:
        """The order in which a value is held (the first, if in several); constants can have any."""
        return next(iter(self._held.get(value, {self.plain(value): ""})))

    def plain(self, value: str) -> Axes:
        """Our own order."""
        return tuple(range(len(self.type_of(value).shape)))

    def is_constant(self, value: str) -> bool:
        """Whether a value is constant, quantized weights included."""
        return value in self.graph.constants or self._is_weights(value)

    def read(self, value: str, axes: Axes) -> str:
        """Name of the ONNX value that is ``value`` with its axes in ``axes``; writes what is missing for it."""
        held = self._held.setdefault(value, {})
        if axes not in held:
            if value in self.graph.constants:
                held[axes] = self.initializer(self.graph.constants[value].transpose(axes), value)
            elif self._is_weights(value):
                held[axes] = self._dequantized(value, axes)
            else:
                held[axes] = self._transposed(value, axes)
        return held[axes]

    def initializer(self, array: Array, name: str) -> str:
        """Write a constant."""
        unique = self.unused(name)
        self.initializers.append(numpy_helper.from_array(np.array(array, order="C"), unique))
        return unique

    def vector(self, integers: Iterable[int], name: str) -> str:
        """Write a constant int64 vector."""
        return self.initializer(np.array(list(integers), np.int64), name)

    def scalar(self, value: float, name: str) -> str:
        """Write a constant float32 scalar."""
        return self.initializer(np.array(value, np.float32), name)

    def write(self, operator: str, operands: Sequence[str], node: str, result: str, **attributes: Any) -> str:
        """Write a node; gives its result's name."""
        output = self.unused(result)
        name = self._unused(node, self._node_names)
        self.nodes.append(helper.make_node(operator, list(operands), [output], name=name, **attributes))
        return output

    def finish(
        self, node: Node, axes: Axes, operator: str, operands: Sequence[str], **attributes: Any
    ) -> None:
        """Write ``node`` itself; its result is held in ``axes``."""
        taken = node.output in self._public or (node.output in self._renamed and axes == NCHW)
        result = f"{node.output}/value" if taken else node.output
        self.release(result)
        self.hold(node.output, axes, self.write(operator, operands, node.name, result, **attributes))

    def release(self, name: str) -> None:
        """Let the name of an output be taken, by what it is kept for."""
        if name in self._kept:
            self._kept.remove(name)
            self._names.remove(name)

    def unused(self, name: str) -> str:
        """A value name that nothing has yet, and takes it."""
        return self._unused(name, self._names)

    def _unused(self, name: str, taken: set[str]) -> str:
        unique, number = name, 0
        while unique in taken:
            number += 1
            unique = f"{name}_{number}"
        taken.add(unique)
        return unique

    def _is_weights(self, value: str) -> bool:
        maker = self._producers.get(value)
        return (
            maker is not None
            and isinstance(maker.op, Dequantize)
            and all(operand in self.graph.constants for operand in maker.inputs)
        )

    def _dequantized(self, value: str, axes: Axes) -> str:
        """DequantizeLinear of quantized weights, stored in the order that their reader needs."""
        maker = self._producers[value]
        stored, scale, zero_point = maker.inputs
        vector = self.type_of(scale).shape != ()
        axis = maker.op.axis if isinstance(maker.op, Dequantize) else 0
        operands = [self.read(stored, axes), self.read(scale, self.plain(scale))]
        if not self.omits_zero_point(maker):
            operands.append(self.read(zero_point, self.plain(zero_point)))
        attributes = {"axis": axes.index(axis % len(axes))} if vector else {}
        return self.write("DequantizeLinear", operands, maker.name, value, **attributes)

    def omits_zero_point(self, node: Node) -> bool:
        """Whether it is one of int32, which allows none but 0, and which runtimes accept most readily by its absence.

        Raises:
            ConversionError: it is of int32 and not 0.
        """
        zero_point = node.inputs[2]
        if self.type_of(zero_point).dtype is not DType.S32:
            return False
        array = self.graph.constants.get(zero_point)
        if array is None or array.any():
            raise ConversionError(
                f"'{node.name}' has a zero point of int32, which ONNX cannot write unless it is 0"
            )
        return True

    def _transposed(self, value: str, axes: Axes) -> str:
        held, name = next(iter(self._held[value].items()))
        permutation = [held.index(axis) for axis in axes]
        made = f"{name}/{'nchw' if axes == NCHW else 'transposed'}"
        return self.write("Transpose", [name], made, made, perm=permutation)


Emitter: TypeAlias = Callable[[OnnxWriter, Node, Any], None]

EMITTERS: dict[type[Op], Emitter] = {}


def writes(*kinds: type[Op]) -> Callable[[Emitter], Emitter]:
    """Register the function that writes operators of these classes; its third argument is the operator."""

    def register(emitter: Emitter) -> Emitter:
        for kind in kinds:
            EMITTERS[kind] = emitter
        return emitter

    return register
