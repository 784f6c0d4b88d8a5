"""What is computed of constants alone is computed once.

1. A node whose every operand is a constant -> its result as a constant, by the reference's evaluators.

Pre: the last of the rules that look for stored weights: the weights of a layer that no integer rule fits are reals
after it, which is how such a layer then runs.
Post: every node reads something that is known at run time only.
"""

from __future__ import annotations

from accelserve.kernels.compiler.driver import graph_pass, leaves
from accelserve.kernels.compiler.passes.lower_convolution import integer_layer_left
from accelserve.kernels.ir import Array, Graph, Node
from accelserve.kernels.reference.operators import EVALUATORS


def _constant_result(graph: Graph) -> str | None:
    for node in graph:
        if all(value in graph.constants for value in node.inputs):
            return f"'{node.name}' computes a constant"
    return None


@graph_pass(requires=(integer_layer_left,), ensures=(leaves(_constant_result),))
def fold_constants(graph: Graph) -> tuple[Graph, bool]:
    """Apply the rule of this file; see the module's docstring."""
    constants: dict[str, Array] = dict(graph.constants)
    nodes: list[Node] = []
    for node in graph:
        if type(node.op) in EVALUATORS and all(value in constants for value in node.inputs):
            operands = [constants[value] for value in node.inputs]
            constants[node.output] = EVALUATORS[type(node.op)](node.op, operands)
        else:
            nodes.append(node)
    if len(nodes) == len(graph.nodes):
        return graph, False
    return graph.with_nodes(nodes, constants), True
