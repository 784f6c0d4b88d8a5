"""The execution plan: the nodes in order, and the address of every value in one arena."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from accelserve.kernels.compiler.layout import LayoutRules, Placement, lay_out, with_one_fill_each
from accelserve.kernels.compiler.memory import Lifetime, assign_offsets
from accelserve.kernels.ir import Graph


@dataclass(frozen=True, slots=True)
class ExecutionPlan:
    """A graph whose every run-time value has its place.

    Attributes:
        graph: the nodes, in the order in which they run.
        placements: every input and every node's result -> its place in a buffer.
        offsets: of each buffer in the arena, in bytes.
        buffer_bytes: of each buffer.
        arena_bytes: of the whole arena.
    """

    graph: Graph
    placements: Mapping[str, Placement]
    offsets: tuple[int, ...]
    buffer_bytes: tuple[int, ...]
    arena_bytes: int

    def address(self, value: str) -> int:
        """Bytes from the arena's start to the value's first element."""
        placement = self.placements[value]
        return self.offsets[placement.buffer] + placement.origin


def plan(graph: Graph, rules: LayoutRules) -> ExecutionPlan:
    """Lay a graph out and share the arena between values that are never alive together."""
    graph = with_one_fill_each(graph, rules)
    layout = lay_out(graph, rules)
    spans = _lifetimes(graph, layout.placements)
    lifetimes = [
        Lifetime(size_bytes=size, first=spans[buffer][0], last=spans[buffer][1])
        for buffer, size in enumerate(layout.buffer_bytes)
    ]
    offsets, arena_bytes = assign_offsets(lifetimes)
    return ExecutionPlan(graph, layout.placements, offsets, layout.buffer_bytes, arena_bytes)


def _lifetimes(graph: Graph, placements: Mapping[str, Placement]) -> dict[int, tuple[int, int]]:
    """Buffer -> first and last step of any value in it; inputs are written at -1, outputs read after the end."""
    spans: dict[int, tuple[int, int]] = {}

    def touch(value: str, step: int) -> None:
        if value in placements:
            buffer = placements[value].buffer
            first, last = spans.get(buffer, (step, step))
            spans[buffer] = (min(first, step), max(last, step))

    for value in graph.inputs:
        touch(value, -1)
    for step, node in enumerate(graph):
        for value in (*node.inputs, node.output):
            touch(value, step)
    for value in graph.outputs.values():
        touch(value, len(graph.nodes))
    return spans
