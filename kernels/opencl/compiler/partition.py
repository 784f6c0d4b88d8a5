"""Which nodes of a lowered graph run on the engine and which on the host, as an alternation of segments."""

from __future__ import annotations

from collections.abc import Iterable

from accelserve.kernels.ir import DType, Graph, Movement, Node, Op
from accelserve.kernels.opencl.compiler.layers import LOWERINGS
from accelserve.kernels.opencl.engine.segment import Segment


def partition(graph: Graph) -> tuple[Segment, ...]:
    """Segments in an order that respects data flow, as few as a greedy walk finds.

    A node goes to the engine if it computes uint8 results from constants and image values; one that only
    rearranges bytes stays with its operands.
    """
    placed = _placement(graph)
    made = {*graph.inputs, *graph.constants}
    waiting = list(graph)
    parts: list[tuple[list[Node], bool]] = []
    on_device = True
    while waiting:
        taken: list[Node] = []
        kept: list[Node] = []
        for node in waiting:
            if placed[node.name] is on_device and made.issuperset(node.inputs):
                taken.append(node)
                made.add(node.output)
            else:
                kept.append(node)
        if taken:
            # Bytes that are only rearranged are not worth two trips.
            parts.append((taken, on_device and any(_computes(node.op) for node in taken)))
        waiting = kept
        on_device = not on_device
    return tuple(Segment(_subgraph(graph, nodes), side) for nodes, side in parts)


def _placement(graph: Graph) -> dict[str, bool]:
    placed: dict[str, bool] = {}
    near = {name for name, kind in graph.inputs.items() if kind.dtype is DType.U8}
    for node in graph:
        placed[node.name] = _fits(graph, node, near)
        if placed[node.name]:
            near.add(node.output)
    return placed


def _fits(graph: Graph, node: Node, near: set[str]) -> bool:
    images = [i for i in node.inputs if i not in graph.constants]
    if type(node.op) not in LOWERINGS:
        return False
    if not _computes(node.op):
        return len(images) == len(node.inputs) and near.issuperset(images)
    constants = node.op.parameters
    if not all(node.inputs[i] in graph.constants for i in constants):
        return False
    if any(value in graph.constants for i, value in enumerate(node.inputs) if i not in constants):
        return False
    return all(graph.type_of(i).dtype is DType.U8 for i in images)


def _computes(op: Op) -> bool:
    """Whether the engine makes other bytes of its operands, instead of moving them."""
    return type(op) in LOWERINGS and not isinstance(op, Movement)


def _subgraph(graph: Graph, nodes: Iterable[Node]) -> Graph:
    inside = tuple(nodes)
    made = {node.output for node in inside}
    read = dict.fromkeys(value for node in inside for value in node.inputs)
    elsewhere = {value for node in graph if node.output not in made for value in node.inputs}
    wanted = elsewhere | set(graph.outputs.values())
    return Graph(
        inputs={v: graph.type_of(v) for v in read if v not in made and v not in graph.constants},
        nodes=inside,
        constants={v: graph.constants[v] for v in read if v in graph.constants},
        outputs={node.output: node.output for node in inside if node.output in wanted},
    )
