"""One handler function per ONNX operator, registered by decorator, and what a handler may ask for.

To add an operator: write a function decorated with ``@operator("Name", ...)`` in a file of ``operators/``; it is found. The
decorator says which attributes and operands the function reads; a node that has others is refused, since what nobody reads
may change its meaning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.ir import Array, Dequantize, Mul, Op
from accelserve.models.importing.onnx_file import OnnxNode
from accelserve.models.importing.scope import Scope, arrangement, identity
from accelserve.models.importing.values import IMAGE, Known, Norm, Order, Stored, Tensor, Value


class UnsupportedFormError(Exception):
    """A handler meets a form of its operator that kernels do not implement; the importer gathers these.

    Attributes:
        reason: the form, as a few words after the operator's name.
        blame: the node at fault if it is another one than the handler's.
    """

    def __init__(self, reason: str, blame: tuple[str, str] | None = None) -> None:
        self.reason = reason
        self.blame = blame
        super().__init__(reason)


class Call:
    """One node, its operands, and the scope where its result is built."""

    def __init__(self, scope: Scope, node: OnnxNode, opset: int, operands: Sequence[Value | None]) -> None:
        self.scope = scope
        self.node = node
        self.opset = opset
        self.operands = tuple(operands)

    def operand(self, position: int) -> Value | None:
        """The operand, or None if it is absent."""
        return self.operands[position] if position < len(self.operands) else None

    def tensor(self, position: int) -> Tensor:
        """The operand as a value of the graph; a known one becomes a constant."""
        return self.as_tensor(self.operand(position), position)

    def as_tensor(self, value: Value | None, position: int = 0) -> Tensor:
        """Any value as a value of the graph."""
        match value:
            case Tensor():
                return value
            case Known():
                array = as_float32(value.array)
                name = self.scope.constant(array, value.name)
                return Tensor(name, array.shape, identity(array.shape))
            case Stored():
                name = self.weights(value, identity(value.array.shape))
                return Tensor(name, value.array.shape, identity(value.array.shape))
            case Norm(stage="square", of=of):
                name = self.step(Mul(), (of.value, of.value), "square")
                return Tensor(name, of.base, of.order, of.reshaped)
            case Norm(node=blame):
                raise UnsupportedFormError("outside of an L2 normalization", blame)
            case _:
                raise UnsupportedFormError(f"without operand {position}")

    def known(self, position: int, what: str) -> Array:
        """The operand as an array; ``what`` names it when it is not known at import."""
        value = self.operand(position)
        match value:
            case Known():
                return value.array
            case Stored():
                return dequantized(value)
            case _:
                raise UnsupportedFormError(f"with {what} computed at run time")

    def known_ints(self, position: int, what: str) -> tuple[int, ...]:
        """The operand as integers."""
        return tuple(int(i) for i in np.atleast_1d(self.known(position, what)).ravel())

    def weights(self, value: Known | Stored, order: Order) -> str:
        """Name of weights with their axes in ``order``; integers keep their Dequantize."""
        if isinstance(value, Known):
            return self.scope.constant(as_float32(value.array).transpose(order), value.name)
        axis = order.index(value.axis) if value.scale.ndim else 0
        operands = (
            self.scope.constant(value.array.transpose(order), value.name),
            self.scope.constant(value.scale.astype(np.float32), f"{value.name}/scale"),
            self.scope.constant(value.zero_point, f"{value.name}/zero_point"),
        )
        name = f"{value.name}/dequantized"
        return self.scope.emit(Dequantize(axis), operands, name, name)

    def int_attribute(self, name: str, default: int) -> int:
        """An integer attribute."""
        value = self.node.attributes.get(name, default)
        return value if isinstance(value, int) else self._wrong(name, "an integer")

    def float_attribute(self, name: str, default: float) -> float:
        """A float attribute."""
        value = self.node.attributes.get(name, default)
        return float(value) if isinstance(value, int | float) else self._wrong(name, "a number")

    def text_attribute(self, name: str, default: str) -> str:
        """A string attribute."""
        value = self.node.attributes.get(name, default)
        return value if isinstance(value, str) else self._wrong(name, "a string")

    def ints_attribute(self, name: str) -> tuple[int, ...] | None:
        """An attribute of integers, None if it is absent."""
        value = self.node.attributes.get(name)
        if value is None and name not in self.node.attributes:
            return None
        if not isinstance(value, tuple) or not all(isinstance(item, int) for item in value):
            return self._wrong(name, "integers")
        return tuple(int(item) for item in value)

    def ints_operand_or_attribute(self, name: str, position: int) -> tuple[int, ...] | None:
        """Integers that older operator sets keep in an attribute and newer ones in an operand."""
        if self.operand(position) is not None:
            return self.known_ints(position, name)
        return self.ints_attribute(name)

    def settled(self, position: int) -> Tensor:
        """The operand without a waiting reshape."""
        return self.settle(self.tensor(position))

    def settle(self, tensor: Tensor) -> Tensor:
        """The tensor without a waiting reshape."""
        if tensor.reshaped is None:
            return tensor
        order, _ = arrangement(tensor.base, tensor.order, tensor.reshaped)
        return Tensor(self.scope.arranged(tensor, order), tensor.shape, order)

    def elementwise(self, op: Op, x: Tensor, *others: str) -> Tensor:
        """Emit an operator whose result stands exactly as ``x`` does, a waiting reshape included."""
        value = self.scope.emit(op, (x.value, *others), self.node.name, self.node.outputs[0])
        return replace(x, value=value)

    def result(self, op: Op, operands: Sequence[str], order: Order, output: int = 0) -> Tensor:
        """Emit the node itself, under the file's names; the result's axes stand in ``order``."""
        value = self.scope.emit(op, operands, self.node.name, self.node.outputs[output])
        return self.seen(value, order)

    def seen(self, value: str, order: Order) -> Tensor:
        """A value of the graph, arranged in ``order``, as ONNX sees it."""
        ours = self.scope.type_of(value).shape
        return Tensor(value, tuple(ours[order.index(axis)] for axis in range(len(order))), order)

    def step(self, op: Op, operands: Sequence[str], what: str) -> str:
        """Emit a node on the way to the result; ``what`` goes into its name."""
        return self.scope.emit(op, operands, f"{self.node.name}/{what}", f"{self.node.outputs[0]}/{what}")

    def image(self, position: int) -> str:
        """The operand as an NHWC value; refused unless it has four dimensions."""
        tensor = self.tensor(position)
        if len(tensor.shape) != 4:
            raise UnsupportedFormError(f"on a tensor of rank {len(tensor.shape)}; only images (rank 4) are")
        return self.scope.arranged(tensor, IMAGE)

    def refuse_across_images(self, x: Tensor, axis: int) -> None:
        """Refused if the file is for several images at once and ONNX's ``axis`` counts them, of which one is here.

        Other axes may be folded into it, as long as it is known to be the first one still.
        """
        counts = x.shape[0] == 1 or self.scope.batch_leads
        if self.scope.of_batches and axis == 0 and len(x.shape) > 1 and counts:
            raise UnsupportedFormError(
                "across the images of a batch, whose answers would depend on each other"
            )

    def axis(self, axis: int, rank: int) -> int:
        """An axis counted from the front."""
        if not -rank <= axis < rank:
            raise UnsupportedFormError(f"along axis {axis} of a tensor of rank {rank}")
        return axis % rank

    def _wrong(self, name: str, expected: str) -> NoReturn:
        raise UnsupportedFormError(f"whose attribute '{name}' is not {expected}")


Handle: TypeAlias = Callable[[Call], Value | Sequence[Value]]


@dataclass(frozen=True, slots=True)
class Handler:
    """A handler function and what it reads of a node.

    Attributes:
        handle: makes the node's results.
        operands: how many operands it reads, from the left; None for any number.
        attributes: those that it reads.
        irrelevant: attributes that it need not read, each with the reason; in any operator set that has them.
    """

    handle: Handle
    operands: int | None
    attributes: frozenset[str] = frozenset()
    irrelevant: Mapping[str, str] = field(default_factory=dict)

    def check(self, node: OnnxNode) -> None:
        """UnsupportedFormError if the node has an attribute or an operand that the handler does not read."""
        for name in node.attributes:
            if name not in self.attributes and name not in self.irrelevant:
                raise UnsupportedFormError(f"with the attribute '{name}'")
        if self.operands is not None and any(node.inputs[self.operands :]):
            raise UnsupportedFormError(f"with more than {self.operands} operands")


HANDLERS: dict[str, Handler] = {}

# Operator sets 1 to 5 let an operator overwrite its operands, a permission that nobody has to use.
_EVERYWHERE = {"consumed_inputs": "a permission to overwrite operands"}


def operator(
    *names: str, operands: int | None = 1, reads: str = "", irrelevant: Mapping[str, str] | None = None
) -> Callable[[Handle], Handle]:
    """Register a handler for operators of ONNX's own set.

    Args:
        names: of the operators.
        operands: how many operands the function reads, from the left; None for any number.
        reads: names of the attributes that it reads, in any operator set, separated by blanks.
        irrelevant: attributes that do not change what it computes, each with the reason.
    """

    def register(handle: Handle) -> Handle:
        for name in names:
            if name in HANDLERS:
                raise ValueError(f"two handlers for {name}")
            ignored = {**_EVERYWHERE, **(irrelevant or {})}
            HANDLERS[name] = Handler(handle, operands, frozenset(reads.split()), ignored)
        return handle

    return register


def as_float32(array: Array) -> NDArray[np.float32]:
    """The array as float32 (half, double and bfloat16 weights); itself if it is."""
    return array.astype(np.float32, copy=False)


def dequantized(weights: Stored) -> NDArray[np.float32]:
    """Quantized weights as float32."""
    shape = [1] * weights.array.ndim
    if weights.scale.ndim:
        shape[weights.axis] = -1
    scale = weights.scale.astype(np.float32).reshape(shape if weights.scale.ndim else ())
    zero_point = weights.zero_point.astype(np.int32).reshape(shape if weights.zero_point.ndim else ())
    return (weights.array.astype(np.int32) - zero_point).astype(np.float32) * scale
