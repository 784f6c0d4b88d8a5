"""How passes run: until nothing changes, within a bound, and with what they promise proved where that is asked for.

A pass is a rewrite with the conditions that it needs (``requires``) and those that it promises (``ensures``). With
``ACCELSERVE_CHECK_PASSES=1`` in the environment, as every run of the tests has it, the driver evaluates both, and after
each sweep what no pass may break: the graph's inputs and outputs, and that a pass says truly whether it changed anything.
The number of sweeps is bounded always. Whatever fails, PassError names the pass.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from accelserve.kernels.errors import PassError, PlanError
from accelserve.kernels.ir import Graph, TensorType

VARIABLE = "ACCELSERVE_CHECK_PASSES"

Rewrite: TypeAlias = Callable[[Graph], tuple[Graph, bool]]
"""The new graph, and whether anything changed; the same graph object if nothing did."""
Condition: TypeAlias = Callable[[Graph], str | None]
"""What is wrong with a graph, as the end of "it was given (or left) a graph in which ..."; None if nothing is."""
Promise: TypeAlias = Callable[[Graph, Graph], str | None]
"""The same of the graph after a pass, the second, where the one before it must be known."""


@dataclass(frozen=True, slots=True)
class Pass:
    """A rewrite that the driver can run.

    Attributes:
        name: in messages.
        rewrite: offers every node to the pass's rules once.
        requires: must hold of the graph that it is given.
        ensures: hold between the graph that it was given and the one that it leaves when it changes no more.
        repeats: whether it runs until nothing changes; once otherwise.
    """

    name: str
    rewrite: Rewrite
    requires: tuple[Condition, ...] = ()
    ensures: tuple[Promise, ...] = ()
    repeats: bool = True

    def __call__(self, graph: Graph) -> tuple[Graph, bool]:
        """One sweep, as it is, without the conditions."""
        return self.rewrite(graph)


def graph_pass(
    *, requires: tuple[Condition, ...] = (), ensures: tuple[Promise, ...] = ()
) -> Callable[[Rewrite], Pass]:
    """Make the decorated function a pass of its name."""

    def declare(function: Rewrite) -> Pass:
        return Pass(getattr(function, "__name__", str(function)), function, requires, ensures)

    return declare


def leaves(condition: Condition) -> Promise:
    """The promise that a condition holds of the graph that a pass leaves."""
    return lambda _, after: condition(after)


def checks_passes() -> bool:
    """Whether conditions are evaluated: what the environment says now."""
    return os.environ.get(VARIABLE, "") not in {"", "0"}


def run_passes(graph: Graph, passes: Iterable[Pass]) -> Graph:
    """Run passes one after the other.

    Raises:
        PassError: a pass failed, does not come to an end or breaks what it promises.
        PlanError: a pass refuses the graph or what it was asked to do with it.
    """
    for each in passes:
        graph = run_pass(graph, each)
    return graph


def run_pass(graph: Graph, each: Pass) -> Graph:
    """Run one pass until it changes nothing; raises as ``run_passes`` does."""
    checked = checks_passes()
    if checked:
        _hold(each, "it was given a graph in which", (rule(graph) for rule in each.requires))
    before = graph
    for _ in range(most_sweeps(before) if each.repeats else 1):
        swept, changed = _sweep(each, graph)
        if checked:
            _hold(each, "its sweep is wrong:", [_untruth(graph, swept, changed), _other_ends(graph, swept)])
        graph = swept
        if not changed:
            break
    else:
        if each.repeats:
            raise PassError(each.name, f"it still changes the graph after {most_sweeps(before)} sweeps")
    if checked:
        _hold(each, "it left a graph in which", (rule(before, graph) for rule in each.ensures))
    return graph


def most_sweeps(graph: Graph) -> int:
    """How often a pass may sweep over a graph.

    A sweep takes every rewrite that its rules see at once, so that what remains for the next one lies further along a
    path: their number is that of the longest path's nodes at most. Twice as many leave room for paths that grow.
    """
    return 2 * len(graph.nodes) + 2


def _sweep(each: Pass, graph: Graph) -> tuple[Graph, bool]:
    try:
        return each.rewrite(graph)
    except (PlanError, MemoryError):
        raise
    except Exception as error:
        raise PassError(each.name, f"it failed with {type(error).__name__}: {error}") from error


def _hold(each: Pass, where: str, violations: Iterable[str | None]) -> None:
    for violation in violations:
        if violation is not None:
            raise PassError(each.name, f"{where} {violation}")


def _untruth(before: Graph, after: Graph, changed: bool) -> str | None:
    """What a pass says of itself is what ends the loop."""
    if not changed:
        return None if after is before else "it says that nothing changed and returns another graph"
    same = (before.nodes, before.outputs, before.inputs) == (after.nodes, after.outputs, after.inputs)
    if same and before.constants.keys() == after.constants.keys():
        return "it says that it changed the graph and returns an equal one"
    return None


def _other_ends(before: Graph, after: Graph) -> str | None:
    """Callers know a network by its inputs' and outputs' names and shapes; an input may come quantized."""
    shapes = [{name: kind.shape for name, kind in graph.inputs.items()} for graph in (before, after)]
    if shapes[0] != shapes[1]:
        return f"the inputs were {shapes[0]} and are {shapes[1]}"
    types = [
        {name: graph.type_of(value) for name, value in graph.outputs.items()} for graph in (before, after)
    ]
    if types[0] != types[1]:
        return f"the outputs were {_listed(types[0])} and are {_listed(types[1])}"
    return None


def _listed(types: dict[str, TensorType]) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in types.items())
