"""A pass that fails, never ends or breaks its word is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from accelserve.kernels import ir
from accelserve.kernels.compiler import lower as pipeline
from accelserve.kernels.compiler.driver import (
    VARIABLE,
    Pass,
    Rewrite,
    graph_pass,
    leaves,
    run_pass,
    run_passes,
)
from accelserve.kernels.compiler.lower import TO_INTEGERS, lower
from accelserve.kernels.errors import PassError
from accelserve.kernels.ir import Array, Graph, Node
from accelserve.kernels.reference.evaluator import evaluate
from tests.kernels.compiler.network_builder import NetworkBuilder

PASSES = {each.name: each for each in TO_INTEGERS}
EXACT = (
    "activations_to_uint8",
    "merge_equal_nodes",
    "move_dequantize_down",
    "symmetric_weights",
    "fold_constants",
)


def network() -> Graph:
    """Work for most passes: int8 activations, twins, weights of another zero point, a table, movement, a round trip."""
    net = NetworkBuilder((1, 8, 8, 4))
    first, second = (net.quantize("images", 0.02, -8, "int8") for _ in range(2))
    stored = net.constant(net.rng.integers(100, 150, (8, 3, 3, 4)).astype(np.uint8))
    scale, zero = net.constant(np.array(0.01, np.float32)), net.constant(np.array(120, np.uint8))
    weights = net.add(ir.Dequantize(), stored, scale, zero)
    window = ir.Window(kernel=(3, 3), padding=(1, 1, 1, 1))
    y = net.quantize(net.add(ir.Clip(), net.add(ir.Conv2d(window), first, weights)), 0.05, 0)
    y = net.quantize(net.add(ir.LeakyRelu(0.1), net.add(ir.Reshape((1, 4, 16, 8)), y)), 0.05, 4)
    z = net.quantize(net.quantize(net.conv(second, 4, 4), 0.1, 128), 0.1, 128)
    return net.graph(y=y, z=net.add(ir.Mul(), z, net.weights((1, 8, 8, 4))))


def pipeline_with(monkeypatch: pytest.MonkeyPatch, name: str, rewrite: Rewrite) -> None:
    """The pipeline, one of its passes computing something else."""
    broken = tuple(replace(each, rewrite=rewrite) if each.name == name else each for each in TO_INTEGERS)
    monkeypatch.setattr(pipeline, "TO_INTEGERS", broken)


def nothing(graph: Graph) -> tuple[Graph, bool]:
    return graph, False


@pytest.mark.parametrize(
    "name",
    [
        "activations_to_uint8",
        "merge_equal_nodes",
        "symmetric_weights",
        "lower_convolution",
        "lower_elementwise",
        "fold_constants",
    ],
)
def test_a_pass_that_leaves_its_work_undone_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline_with(monkeypatch, name, nothing)
    with pytest.raises(PassError, match=f"pass '{name}' is at fault: it left a graph in which") as raised:
        lower(network())
    assert raised.value.name == name


def test_what_a_pass_was_promised_is_asked_of_the_graph_that_it_gets() -> None:
    with pytest.raises(
        PassError, match=r"'lower_pointwise' .* it was given .* quantizes an activation to int8"
    ):
        run_pass(network(), PASSES["lower_pointwise"])


def _float_output(graph: Graph) -> tuple[Graph, bool]:
    first = next(node for node in graph if isinstance(node.op, ir.Quantize))
    return replace(graph, outputs={**graph.outputs, "y": first.output}, _types={}), True


def _claims_a_change(graph: Graph) -> tuple[Graph, bool]:
    return graph, True


def _hides_a_change(graph: Graph) -> tuple[Graph, bool]:
    return graph.with_nodes(graph.nodes[:]), False


def _forgets_a_node(graph: Graph) -> tuple[Graph, bool]:
    return graph.with_nodes(graph.nodes[1:]), True


def _grows(graph: Graph) -> tuple[Graph, bool]:
    last = graph.nodes[-1]
    value = f"{last.output}/again"
    again = Node(f"{last.name}/again", ir.Clip(), (last.output,), value)
    return replace(graph, nodes=(*graph.nodes, again), _types={}), True


@pytest.mark.parametrize(
    ("rewrite", "reason"),
    [
        (_float_output, "the outputs were"),
        (_claims_a_change, "returns an equal one"),
        (_hides_a_change, "returns another graph"),
        (_forgets_a_node, "failed with GraphError: node"),
        (_grows, "still changes the graph after"),
    ],
)
def test_whatever_a_pass_does_wrong_it_is_named(
    rewrite: Rewrite, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline_with(monkeypatch, "merge_equal_nodes", rewrite)
    with pytest.raises(PassError, match=f"pass 'merge_equal_nodes' is at fault: .*{reason}"):
        lower(network())


@pytest.mark.parametrize("value", ["", "0"])
def test_without_the_variable_conditions_cost_nothing_and_the_bound_holds(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, value)

    def unasked(_: Graph) -> str:
        raise AssertionError

    quiet = Pass("quiet", nothing, requires=(unasked,), ensures=(leaves(unasked),))
    assert run_pass(network(), quiet).nodes == network().nodes
    with pytest.raises(PassError, match="'endless'"):
        run_passes(network(), [quiet, Pass("endless", _grows)])


def test_a_pass_is_called_as_its_function_is() -> None:
    @graph_pass()
    def idle(graph: Graph) -> tuple[Graph, bool]:
        return graph, False

    assert idle.name == "idle"
    assert idle(network())[1] is False


@pytest.mark.parametrize("name", PASSES)
def test_no_pass_changes_what_the_network_computes(name: str) -> None:
    """Before and after each pass: the same bytes where it promises them, one step of the output's scale elsewhere."""
    before = network()
    for each in TO_INTEGERS:
        after = run_pass(before, each)
        if each.name == name:
            break
        before = after
    image: dict[str, Array] = {
        "images": np.random.default_rng(3).normal(0, 1, (1, 8, 8, 4)).astype(np.float32)
    }
    expected, got = evaluate(before, image), evaluate(after, image)
    compare: Callable[[Array, Array], None] = (
        np.testing.assert_array_equal if name in EXACT else _within_a_step
    )
    for output in expected:
        compare(expected[output], got[output])


def _within_a_step(expected: Array, got: Array) -> None:
    np.testing.assert_allclose(got, expected, atol=0.101, rtol=0)
