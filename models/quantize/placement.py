"""Which values of a float graph are quantized, and which of them share their parameters.

Each value is one of:
1. ``final``: only pointwise, layout and softmax operators lie between it and the outputs. Stays float32, so that the
   last layer's result loses nothing to 8 bits.
2. inside a fusion: a convolution, dense, sum or affine whose only reader is a Clip. Only the Clip's result is quantized.
3. made by an operator that runs on integers: quantized.
4. made by an operator that runs in float32, or a graph input: quantized if an integer operator reads it.

What an operator is in this is said by its class (``kernels.ir.ops.Op``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from accelserve.kernels.compiler.rewriting import GraphIndex
from accelserve.kernels.ir import Add, Clip, Concat, Elementwise, Graph, Movement, Node, OnIntegers, Op


@dataclass(frozen=True, slots=True)
class Placement:
    """Where quantization goes.

    Attributes:
        group_of: quantized value -> representative of the values with which it shares its parameters.
        layers: names of convolutions and dense layers whose weights are quantized.
    """

    group_of: Mapping[str, str]
    layers: frozenset[str]

    def groups(self) -> dict[str, list[str]]:
        """Representative -> all values of its group, in graph order."""
        members: dict[str, list[str]] = {}
        for value, group in self.group_of.items():
            members.setdefault(group, []).append(value)
        return members


def place(graph: Graph, *, keep_float: frozenset[str] = frozenset(), float_outputs: bool = True) -> Placement:
    """Decide for every value of a simplified float graph.

    Args:
        graph: float operators only.
        keep_float: names of nodes that shall run in float32.
        float_outputs: whether final values stay float32.
    """
    return _Placer(graph, keep_float, float_outputs).placement()


class _Placer:
    def __init__(self, graph: Graph, keep_float: frozenset[str], float_outputs: bool) -> None:
        self._graph = graph
        self._index = GraphIndex(graph)
        self._keep_float = keep_float
        self._final = self._final_values() if float_outputs else frozenset()
        self._integer: set[str] = set()
        for node in graph:
            if self._runs_on_integers(node):
                self._integer.add(node.name)

    def placement(self) -> Placement:
        values = [*self._graph.inputs, *(node.output for node in self._graph)]
        leader = {value: value for value in values if self._is_quantized(value)}
        for node in self._graph:
            if node.name in self._integer and node.op.on_integers is OnIntegers.AS_STORED:
                self._join(leader, [*node.inputs, node.output])
        layers = {n.name for n in self._graph if n.name in self._integer and n.op.weighted}
        return Placement({value: _find(leader, value) for value in leader}, frozenset(layers))

    def _join(self, leader: dict[str, str], values: list[str]) -> None:
        roots = [_find(leader, value) for value in values if value in leader]
        for root in roots[1:]:
            leader[root] = roots[0]

    def _final_values(self) -> frozenset[str]:
        final: set[str] = set()
        for node in reversed(self._graph.nodes):
            readers = self._index.consumers.get(node.output, ())
            if all(_may_end_a_network(r.op) and r.output in final for r in readers):
                final.add(node.output)
        return frozenset(final)

    def _runs_on_integers(self, node: Node) -> bool:
        if node.name in self._keep_float or node.op.on_integers is OnIntegers.NEVER:
            return False
        constant = [value for value in node.inputs if value in self._graph.constants]
        if node.op.weighted:
            return constant == list(node.inputs[1:])
        if node.output in self._final:
            return False
        shapes = {self._graph.type_of(value).shape for value in node.inputs}
        if (isinstance(node.op, Add | Concat) and constant) or (isinstance(node.op, Add) and len(shapes) > 1):
            return False
        activations = [value for value in node.inputs if value not in constant]
        return any(self._comes_from_integers(value) for value in activations)

    def _comes_from_integers(self, value: str) -> bool:
        maker = self._index.producers.get(value)
        if value in self._final:
            return False
        return maker is None or maker.name in self._integer

    def _is_quantized(self, value: str) -> bool:
        if value in self._final:
            return False
        maker = self._index.producers.get(value)
        readers = self._index.consumers.get(value, [])
        if maker is None or maker.name not in self._integer:
            return any(reader.name in self._integer for reader in readers)
        inside_fusion = (
            maker.op.absorbs_clip
            and self._index.used_once(value)
            and isinstance(readers[0].op, Clip)
            and readers[0].name in self._integer
        )
        return not inside_fusion


def _may_end_a_network(op: Op) -> bool:
    """Whether what it computes is still as precise as its operand: no sums, nothing that was quantized in between."""
    return isinstance(op, Movement | Elementwise) or op.on_integers is OnIntegers.NEVER


def _find(leader: dict[str, str], value: str) -> str:
    while leader[value] != value:
        value = leader[value]
    return value
