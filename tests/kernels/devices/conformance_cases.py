"""All cases in one graph, so that a device is loaded once and each case still passes or fails by itself."""

from __future__ import annotations

from collections.abc import Mapping

from accelserve.kernels.ir import Array, Graph, Node, TensorType
from tests.kernels.devices import convolution_cases, pixel_cases, rearrangement_cases
from tests.kernels.devices.case_registry import CASES
from tests.kernels.devices.integer_graphs import IntegerGraphBuilder

SUBJECTS = (convolution_cases, pixel_cases, rearrangement_cases)
"""Importing a subject registers its cases."""


def joined_cases() -> tuple[Graph, Mapping[str, Array], Mapping[str, list[str]]]:
    """One graph of all cases, its feeds, and the public outputs of each case."""
    inputs: dict[str, TensorType] = {}
    constants: dict[str, Array] = {}
    feeds: dict[str, Array] = {}
    outputs: dict[str, str] = {}
    nodes: list[Node] = []
    names: dict[str, list[str]] = {}
    for seed, (name, build) in enumerate(CASES.items()):
        builder = IntegerGraphBuilder(seed, f"{name}/")
        made = build(builder)
        inputs |= builder.inputs
        feeds |= builder.feeds
        constants |= builder.constants
        nodes += builder.nodes
        names[name] = [f"{name}#{i}" for i in range(len(made))]
        outputs |= dict(zip(names[name], made, strict=True))
    return Graph(inputs, tuple(nodes), constants, outputs), feeds, names
