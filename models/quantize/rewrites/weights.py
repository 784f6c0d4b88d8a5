"""Weights of a convolution or dense layer, as rewrites change them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.compiler.rewriting import GraphIndex, Replacement
from accelserve.kernels.ir import Array, Conv2d, Dense, Node

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Weighted:
    """A convolution or dense node whose weights (and bias) are plain constants.

    Attributes:
        node: the node.
        weights: float64 [K, ..., C per group].
        bias: float64 [K]; zeros if the node has none.
    """

    node: Node
    weights: NDArray[np.float64]
    bias: Vector

    @property
    def groups(self) -> int:
        """Groups of a convolution, 1 for dense."""
        return self.node.op.groups if isinstance(self.node.op, Conv2d) else 1

    @classmethod
    def of(cls, index: GraphIndex, node: Node | None) -> Weighted | None:
        """The node's weights; None if it is of another kind or its weights are quantized already."""
        if node is None or not isinstance(node.op, Conv2d | Dense):
            return None
        constants = [index.constant(value) for value in node.inputs[1:]]
        arrays = [np.asarray(c, np.float64) for c in constants if c is not None]
        if len(arrays) != len(constants):
            return None
        bias = arrays[1] if len(arrays) == 2 else np.zeros(arrays[0].shape[0])
        return cls(node, arrays[0], bias)

    def replaced(
        self,
        index: GraphIndex,
        weights: NDArray[np.float64],
        bias: Vector,
        *,
        source: str | None = None,
        output: str | None = None,
    ) -> Replacement:
        """The node with other weights, reading ``source`` and making ``output`` where given."""
        weight_name = self._name(index, 1, "weight")
        bias_name = self._name(index, 2, "bias")
        constants: Mapping[str, Array] = {
            weight_name: weights.astype(np.float32),
            bias_name: bias.astype(np.float32),
        }
        inputs = (source or self.node.inputs[0], weight_name, bias_name)
        made = Node(self.node.name, self.node.op, inputs, output or self.node.output)
        return Replacement((made,), constants)

    def _name(self, index: GraphIndex, position: int, what: str) -> str:
        """The constant's own name if no other node reads it, so that layers keep the names of their file."""
        if position < len(self.node.inputs) and index.used_once(self.node.inputs[position]):
            return self.node.inputs[position]
        return index.unused(f"{self.node.name}/{what}")


def affine_vectors(index: GraphIndex, node: Node) -> tuple[Vector, Vector] | None:
    """Multiplier and summand of a ChannelAffine, if they are plain constants."""
    mul, add = (index.constant(value) for value in node.inputs[1:3])
    if mul is None or add is None:
        return None
    return np.asarray(mul, np.float64), np.asarray(add, np.float64)
