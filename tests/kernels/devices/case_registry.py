"""A case is a function that builds its small graph and returns the values to compare."""

from __future__ import annotations

from collections.abc import Callable

from tests.kernels.devices.integer_graphs import IntegerGraphBuilder

Case = Callable[[IntegerGraphBuilder], list[str]]
CASES: dict[str, Case] = {}


def case(function: Case) -> Case:
    """Register a case under its function's name, with dashes."""
    CASES[function.__name__.replace("_", "-")] = function
    return function
