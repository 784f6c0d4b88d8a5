"""How passes look at a graph and change it.

A rule looks at one node and says what stands in its place; everything that the replacement no longer reads is
dropped when the new graph is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, count
from typing import TypeAlias

import numpy as np

from accelserve.kernels.ir import Array, Dequantize, DType, Graph, Node, Quantize, QuantParams, TensorType


@dataclass(frozen=True, slots=True)
class Replacement:
    """What stands in a node's place: nodes whose last one makes the replaced node's value, and new constants."""

    nodes: tuple[Node, ...]
    constants: Mapping[str, Array] = field(default_factory=dict)


class GraphIndex:
    """A graph with the questions that rules ask of it."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    @cached_property
    def producers(self) -> dict[str, Node]:
        """Value -> the node that makes it."""
        return self.graph.producers()

    @cached_property
    def consumers(self) -> dict[str, list[Node]]:
        """Value -> the nodes that read it."""
        return self.graph.consumers()

    @cached_property
    def positions(self) -> dict[str, int]:
        """Node name -> place in the order."""
        return {node.name: i for i, node in enumerate(self.graph.nodes)}

    def constant(self, value: str) -> Array | None:
        """The array of a constant, or None."""
        return self.graph.constants.get(value)

    def unused(self, name: str) -> str:
        """``name``, or with the least number behind it that makes it a name no value and no node of the graph has.

        Files and quantizers call theirs as they like; a new one must not take the place of another.
        """
        numbered = (f"{name}_{number}" for number in count(2))
        return next(each for each in chain((name,), numbered) if each not in self._names)

    @cached_property
    def _names(self) -> frozenset[str]:
        made = chain.from_iterable((node.name, node.output) for node in self.graph)
        return frozenset((*self.graph.inputs, *self.graph.constants, *made))

    def used_once(self, value: str) -> bool:
        """Whether exactly one operand of one node is the value and it is no output of the graph.

        Twice in ``x + x``: the rule that takes one operand into its node would leave the other without its producer.
        """
        reads = sum(node.inputs.count(value) for node in self.consumers.get(value, ()))
        return reads == 1 and value not in self.graph.outputs.values()

    def params(self, node: Node) -> QuantParams | None:
        """Per-tensor uint8 parameters of a Quantize or Dequantize node; None if they are of another kind."""
        scale, zero_point = (self.constant(value) for value in node.inputs[1:3])
        if scale is None or zero_point is None or scale.size != 1 or zero_point.size != 1:
            return None
        if zero_point.dtype != DType.U8.numpy:
            return None
        return QuantParams(float(scale.reshape(())), int(zero_point.reshape(())))

    def dequantized(self, value: str) -> tuple[str, QuantParams] | None:
        """The uint8 activation that ``value`` is the Dequantize of, with its parameters; None if it is none."""
        node = self.producers.get(value)
        if node is None or not isinstance(node.op, Dequantize) or self.constant(node.inputs[0]) is not None:
            return None
        params = self.params(node)
        return None if params is None else (node.inputs[0], params)

    def quantized_from(self, value: str) -> tuple[str, QuantParams] | None:
        """The float32 value that ``value`` is the Quantize of, with its parameters; None if it is none."""
        node = self.producers.get(value)
        if node is None or not isinstance(node.op, Quantize):
            return None
        params = self.params(node)
        return None if params is None else (node.inputs[0], params)


Rule: TypeAlias = Callable[[GraphIndex, Node], Replacement | None]


def rewrite(graph: Graph, rule: Rule) -> tuple[Graph, bool]:
    """Offer every node of ``graph`` to ``rule`` once, in order.

    Returns:
        The new graph and whether anything changed; the same graph object if nothing did.
    """
    index = GraphIndex(graph)
    nodes: list[Node] = []
    constants: dict[str, Array] = {}
    changed = False
    for node in graph:
        replacement = rule(index, node)
        if replacement is None:
            nodes.append(node)
            continue
        changed = True
        nodes.extend(replacement.nodes)
        constants.update(replacement.constants)
    return (graph.with_nodes(nodes, constants), True) if changed else (graph, False)


def substitute(
    graph: Graph, values: Mapping[str, str], inputs: Mapping[str, TensorType] | None = None
) -> Graph:
    """The graph with every reading of a key of ``values`` turned to its value, chains followed.

    ``inputs``, if given, take the place of the graph's own.
    """

    def final(value: str) -> str:
        while value in values:
            value = values[value]
        return value

    nodes = [
        Node(n.name, n.op, tuple(final(i) for i in n.inputs), n.output)
        for n in graph
        if n.output not in values
    ]
    outputs = {public: final(value) for public, value in graph.outputs.items()}
    return Graph(inputs or graph.inputs, tuple(nodes), graph.constants, outputs).with_nodes(nodes)


def float32(value: float) -> float:
    """``value`` rounded to float32, as a Python float."""
    return float(np.float32(value))
