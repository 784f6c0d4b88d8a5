"""A graph in static single assignment: named values, each made by one node, a constant, or an input.

Graphs are immutable; a rewrite makes a new one. Nodes stand in an order in which every value is made before it is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from accelserve.kernels.errors import GraphError
from accelserve.kernels.ir.ops import Op
from accelserve.kernels.ir.types import Array, DType, TensorType


@dataclass(frozen=True, slots=True)
class Node:
    """One application of an operator.

    Attributes:
        name: unique in its graph; shown in profiles and errors.
        op: the operator with its attributes.
        inputs: names of the values it reads, in the operator's order.
        output: name of the value it makes.
    """

    name: str
    op: Op
    inputs: tuple[str, ...]
    output: str


@dataclass(frozen=True, slots=True)
class Graph:
    """A network.

    Attributes:
        inputs: name -> type of each value given from outside, in order.
        nodes: in an order that respects data flow.
        constants: name -> array; arrays are never written after the graph is made.
        outputs: public name -> value name, in order.
    """

    inputs: Mapping[str, TensorType]
    nodes: tuple[Node, ...]
    constants: Mapping[str, Array]
    outputs: Mapping[str, str]
    _types: dict[str, TensorType] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        types = dict(self.inputs)
        for name, array in self.constants.items():
            types[name] = TensorType(tuple(array.shape), DType.of(array))
        names: set[str] = set()
        for node in self.nodes:
            self._check_wiring(node, types, names)
            types[node.output] = node.op.infer(tuple(types[i] for i in node.inputs))
        for public, value in self.outputs.items():
            if value not in types:
                raise GraphError(f"output '{public}' names value '{value}', which nothing makes")
        object.__setattr__(self, "_types", types)
        for attribute in ("inputs", "constants", "outputs"):
            object.__setattr__(self, attribute, MappingProxyType(dict(getattr(self, attribute))))

    @staticmethod
    def _check_wiring(node: Node, types: Mapping[str, TensorType], names: set[str]) -> None:
        if node.name in names:
            raise GraphError(f"two nodes are named '{node.name}'")
        names.add(node.name)
        missing = [i for i in node.inputs if i not in types]
        if missing:
            raise GraphError(f"node '{node.name}' reads {missing}, which nothing before it makes")
        if node.output in types:
            raise GraphError(f"node '{node.name}' makes '{node.output}', which exists already")

    def type_of(self, value: str) -> TensorType:
        """Type of a value by name; KeyError if there is none."""
        return self._types[value]

    def producers(self) -> dict[str, Node]:
        """Value name -> the node that makes it (inputs and constants have none)."""
        return {node.output: node for node in self.nodes}

    def consumers(self) -> dict[str, list[Node]]:
        """Value name -> the nodes that read it, in graph order; values without readers are absent."""
        readers: dict[str, list[Node]] = {}
        for node in self.nodes:
            for value in dict.fromkeys(node.inputs):
                readers.setdefault(value, []).append(node)
        return readers

    def with_nodes(self, nodes: Iterable[Node], constants: Mapping[str, Array] | None = None) -> Graph:
        """A graph with other nodes (and added constants), cleaned of nodes and constants that nothing needs."""
        merged = {**self.constants, **(constants or {})}
        kept = _live(tuple(nodes), self.outputs.values())
        used = {i for node in kept for i in node.inputs} | set(self.outputs.values())
        return replace(self, nodes=kept, constants={k: v for k, v in merged.items() if k in used}, _types={})

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)


def _live(nodes: tuple[Node, ...], outputs: Iterable[str]) -> tuple[Node, ...]:
    needed = set(outputs)
    kept: list[Node] = []
    for node in reversed(nodes):
        if node.output in needed:
            needed.update(node.inputs)
            kept.append(node)
    return tuple(reversed(kept))
