"""Graphs that nobody thought of: any order of operators, any sharing of values, on every device."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hypothesis import given, settings

from accelserve.kernels.ir import Array, Graph
from accelserve.kernels.program import Device, LoadOptions, Lowered
from accelserve.kernels.reference.evaluator import evaluate
from tests.kernels.devices.comparison import assert_same
from tests.kernels.devices.random_graphs import integer_graphs


@settings(max_examples=12, deadline=None)
@given(drawn=integer_graphs())
def test_a_random_graph_is_bit_exact(
    device: Device, compiled_code: Path, drawn: tuple[Graph, Mapping[str, Array]]
) -> None:
    graph, feeds = drawn
    program = device.load(Lowered(graph, {}), LoadOptions(threads=2, cache=compiled_code))
    try:
        results = program.run(feeds)
    finally:
        program.close()
    for output, wanted in evaluate(graph, feeds).items():
        assert_same(results[output], wanted, output)
