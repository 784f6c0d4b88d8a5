"""A graph, node by node, in numpy: the oracle of every test, and the float32 of calibration."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from accelserve.kernels.errors import UnsupportedNodesError
from accelserve.kernels.ir import Array, Graph, Node
from accelserve.kernels.reference import winograd  # noqa: F401 - registers its operator
from accelserve.kernels.reference.operators import EVALUATORS, FASTER

Watch = Callable[[Node, Array], None]


def evaluate(
    graph: Graph, feeds: Mapping[str, Array], watch: Watch | None = None, *, any_order: bool = False
) -> dict[str, Array]:
    """Results of a graph for one image.

    Args:
        graph: any graph, float or lowered.
        feeds: input name -> array of the input's type, the leading dimension 1 included.
        watch: called with every node and its result, as it is made; calibration observes activations here.
        any_order: whether float32 sums may have any order, which is many times faster; without it the results are
            those of every device, bit for bit.

    Returns:
        Public output name -> array.

    Raises:
        UnsupportedNodesError: an operator without an evaluator.
    """
    if lacking := unknown_nodes(graph):
        raise UnsupportedNodesError(lacking)
    values: dict[str, Array] = {**graph.constants, **feeds}
    last_use = {value: node.name for node in graph for value in node.inputs}
    kept = set(graph.outputs.values()) | set(graph.constants)
    evaluators = {**EVALUATORS, **FASTER} if any_order else EVALUATORS
    for node in graph:
        result = evaluators[type(node.op)](node.op, [values[i] for i in node.inputs])
        values[node.output] = result
        if watch is not None:
            watch(node, result)
        for spent in {i for i in node.inputs if last_use[i] == node.name and i not in kept}:
            del values[spent]
    return {public: values[value] for public, value in graph.outputs.items()}


def unknown_nodes(graph: Graph) -> list[tuple[str, str]]:
    """Name and operator of every node that no evaluator computes."""
    return [(node.name, node.op.label) for node in graph if type(node.op) not in EVALUATORS]
