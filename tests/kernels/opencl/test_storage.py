"""Where values live: parts of concatenations in place, reshapes for nothing, nothing overwritten too early."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings

from accelserve.kernels import ir
from accelserve.kernels.errors import PlanError
from accelserve.kernels.ir import Array, DType, Graph, Node, TensorType
from accelserve.kernels.opencl.compiler.compile import compile_segment
from accelserve.kernels.opencl.compiler.partition import partition
from accelserve.kernels.opencl.compiler.storage import assign_storage
from accelserve.kernels.opencl.engine.configuration import EMULATION, EngineConfiguration
from accelserve.kernels.opencl.engine.descriptor import LayerKind
from accelserve.kernels.opencl.engine.source import EnginePath
from tests.kernels.devices.integer_graphs import IntegerGraphBuilder
from tests.kernels.devices.random_graphs import integer_graphs


def moves(graph: Graph) -> int:
    program = compile_segment(graph, EMULATION, EnginePath.FUSED, in_turn=True).program
    return int((program["kind"] == LayerKind.MOVE).sum())


def test_a_growing_stack_of_layers_is_written_in_place() -> None:
    g = IntegerGraphBuilder(0)
    x = g.conv(g.input(6, 6, 3), 24, 3, padding=1)
    for _ in range(4):
        x = g.concat(3, x, g.conv(x, 8, 3, padding=1))
    assert moves(g.graph(y=x)) == 0


def test_a_concatenation_of_all_layers_so_far_is_written_in_place() -> None:
    g = IntegerGraphBuilder(0)
    parts = [g.conv(g.input(5, 5, 3), 16, 3, padding=1)]
    for _ in range(3):
        parts.append(g.conv(g.concat(3, *parts), 12, 3, padding=1))
    assert moves(g.graph(y=g.concat(3, *parts))) == 0


def test_heads_of_a_detector_are_written_in_place() -> None:
    g = IntegerGraphBuilder(0)
    boxes = [
        g.add(ir.Reshape((1, size * size * 6, 4)), g.conv(g.input(size, size, 16), 24, float_result=True))
        for size in (6, 3, 1)
    ]
    assert moves(g.graph(y=g.concat(1, *boxes))) == 0


def test_what_cannot_be_in_two_places_is_moved() -> None:
    g = IntegerGraphBuilder(0)
    y = g.conv(g.input(3, 3, 8), 10)
    assert moves(g.graph(z=g.concat(3, y, y))) == 1


def test_an_image_is_stored_with_the_border_that_its_readers_share() -> None:
    g = IntegerGraphBuilder(0)
    x = g.input(8, 8, 3)
    g.conv(x, 8, 3, padding=1, input_zero_point=9)
    last = g.conv(x, 8, 3, padding=1, input_zero_point=9, stride=2)
    graph = g.graph(a=last, b="QConv2d0:0")
    border = assign_storage(graph, 16).borders[x]
    assert (border.top, border.left, border.bottom, border.right, border.value) == (1, 1, 1, 1, 9)


def test_an_image_whose_readers_differ_is_stored_as_it_is() -> None:
    g = IntegerGraphBuilder(0)
    x = g.input(8, 8, 3)
    graph = g.graph(a=g.conv(x, 8, 3, padding=1), b=g.conv(x, 8, 5, padding=2))
    assert assign_storage(graph, 16).borders == {}


def test_an_arena_beyond_the_engines_addresses_is_refused() -> None:
    g = IntegerGraphBuilder(0)
    huge = TensorType((1, 40000, 40000, 2), DType.U8)
    table = g.constant(g.rng.permutation(256).astype("uint8"))
    graph = Graph({"x": huge}, (Node("l", ir.QLookup(), ("x", table), "y"),), g.constants, {"y": "y"})
    with pytest.raises(PlanError, match="addresses"):
        assign_storage(graph, 16)


@settings(max_examples=60, deadline=None)
@given(drawn=integer_graphs(most_nodes=12))
def test_values_alive_together_never_share_bytes_unless_one_is_part_of_the_other(
    drawn: tuple[Graph, Mapping[str, Array]],
) -> None:
    for segment in partition(drawn[0]):
        if not segment.on_device:
            continue
        graph = segment.graph
        storage = assign_storage(graph, EngineConfiguration().vec)
        last = {v: i for i, node in enumerate(graph) for v in node.inputs if v not in graph.constants}
        last |= dict.fromkeys(graph.outputs.values(), len(graph.nodes))
        for i, node in enumerate(graph):
            mine = storage.views[node.output]
            if isinstance(node.op, ir.Reshape | ir.Concat):
                continue  # may be another name of its operands
            low, high = region(graph, node.output, mine.offset, mine.step)
            for other, until in last.items():
                view = storage.views[other]
                made_before = other in graph.inputs or other in {n.output for n in graph.nodes[:i]}
                if not made_before or until < i or view.root == mine.root:
                    continue
                begin, end = region(graph, other, view.offset, view.step)
                assert end <= low or high <= begin, f"{node.output} overwrites {other}"


def region(graph: Graph, value: str, offset: int, step: int) -> tuple[int, int]:
    kind = graph.type_of(value)
    pixels = kind.elements // kind.shape[-1]
    return offset, offset + (pixels - 1) * step + kind.shape[-1] * kind.dtype.size_bytes
