"""A leading axis longer than 1 between a network's input and its outputs: the CPU gives the reference's bytes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from accelserve.kernels import ir
from accelserve.kernels.compiler.passes.stack_inner_batches import stack_inner_batches
from accelserve.kernels.cpu.isa import available
from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.devices.cpu import CpuDevice
from accelserve.kernels.errors import PlanError
from accelserve.kernels.ir import Array, Graph, Node, TensorType
from accelserve.kernels.program import LoadOptions, Lowered
from accelserve.kernels.reference.evaluator import evaluate
from tests.kernels.devices.comparison import assert_same
from tests.kernels.devices.inner_batch_cases import INNER_BATCH_CASES, images
from tests.kernels.devices.integer_graphs import IntegerGraphBuilder


def joined() -> tuple[Graph, Mapping[str, Array]]:
    """One graph of all cases, each with an output of its name, and its feeds."""
    builders = [(name, IntegerGraphBuilder(seed, f"{name}/")) for seed, name in enumerate(INNER_BATCH_CASES)]
    outputs: dict[str, str] = {}
    for name, g in builders:
        value = INNER_BATCH_CASES[name](g)
        outputs[name] = g.add(ir.Reshape((1, *g.shape(value))), value)
    nodes: tuple[Node, ...] = tuple(node for _, g in builders for node in g.nodes)
    inputs = {k: v for _, g in builders for k, v in g.inputs.items()}
    constants = {k: v for _, g in builders for k, v in g.constants.items()}
    return Graph(inputs, nodes, constants, outputs), {k: v for _, g in builders for k, v in g.feeds.items()}


GRAPH, FEEDS = joined()


@pytest.fixture(scope="module", params=available(), ids=lambda each: each.name)
def computed(request: pytest.FixtureRequest, compiled_code: Path) -> Mapping[str, Array]:
    each: InstructionSet = request.param
    program = CpuDevice(each.name).load(Lowered(GRAPH, {}), LoadOptions(threads=2, cache=compiled_code))
    results = program.run(FEEDS)
    program.close()
    return results


@pytest.fixture(scope="module")
def expected() -> Mapping[str, Array]:
    return evaluate(GRAPH, FEEDS)


@pytest.mark.parametrize("case", INNER_BATCH_CASES)
def test_the_cpu_gives_the_bytes_of_the_reference(
    case: str, computed: Mapping[str, Array], expected: Mapping[str, Array]
) -> None:
    assert_same(computed[case], expected[case], case)


def test_no_window_reads_more_than_one_image() -> None:
    graph, changed = stack_inner_batches(GRAPH)
    assert changed
    for node in graph:
        if ir.window_of(node.op) is not None:
            assert graph.type_of(node.inputs[0]).shape[0] == 1, node.name


def test_stacked_images_mean_the_same() -> None:
    graph, _ = stack_inner_batches(GRAPH)
    for name, wanted in evaluate(GRAPH, FEEDS).items():
        assert_same(evaluate(graph, FEEDS)[name], wanted, name)


@pytest.mark.parametrize("shape", [(8,), (512, 4), (2, 3, 4, 4), ()], ids=str)
def test_an_output_whose_first_axis_is_no_batch_of_one_is_no_program(shape: tuple[int, ...]) -> None:
    """A program writes an image's result where the batch's axis says; a wrong one was memory that nobody owned."""
    g = IntegerGraphBuilder(0)
    x = g.input(*(shape or (1,)))
    graph = g.graph(y=g.add(ir.Reshape(shape), x))
    with pytest.raises(PlanError, match=r"output 'y' is uint8\[.*first axis must be the batch"):
        Lowered(graph, {})


def test_an_input_whose_first_axis_is_no_batch_of_one_is_no_program() -> None:
    kind = TensorType((4, 2, 2, 3), ir.DType.U8)
    with pytest.raises(PlanError, match="input 'x' is uint8"):
        Lowered(Graph({"x": kind}, (), {}, {}), {})


def test_a_deep_chain_of_inner_batches_keeps_its_weights_once(compiled_code: Path) -> None:
    """However many images the leading axis counts, a layer's weights are packed once."""
    sizes = []
    for count in (2, 16):
        g = IntegerGraphBuilder(0)
        y = g.conv(images(g, count, 4, 4, 32), 64, 3, padding=1)
        graph = g.graph(y=g.add(ir.Reshape((1, count * 4, 4, 64)), y))
        program = CpuDevice().load(Lowered(graph, {}), LoadOptions(threads=1, cache=compiled_code))
        sizes.append(program.memory_bytes - count * 4 * 4 * (32 + 64))
        program.close()
    assert sizes[1] < 3 * sizes[0]
