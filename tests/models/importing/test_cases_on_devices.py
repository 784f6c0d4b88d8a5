"""Every case of the importer's, in float32 and quantized, gives the reference's bytes on each instruction set.

All networks of a list are one graph, so that a device is loaded once and each case still passes or fails by itself. An
output without a batch in front, which no device takes, gets one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from accelserve.kernels import ir
from accelserve.kernels.compiler.lower import lower
from accelserve.kernels.cpu.isa import available
from accelserve.kernels.devices.cpu import CpuDevice
from accelserve.kernels.ir import Array, Graph, Node, Reshape, TensorType
from accelserve.kernels.program import LoadOptions, Lowered
from accelserve.kernels.reference.evaluator import evaluate
from accelserve.models.importing import import_onnx
from accelserve.models.quantize.quantizer import quantize
from accelserve.models.quantize.simplify import simplify
from tests.kernels.devices.comparison import assert_same
from tests.models.importing.onnx_models import floats, onnx_file
from tests.models.importing.test_operators import CASES, quantized_cases

Results = Mapping[str, Mapping[str, Array]]


def files() -> Iterator[tuple[str, bytes]]:
    for name, case in CASES.items():
        yield (
            name,
            onnx_file(case.nodes, {"x": case.shape}, case.outputs, case.constants, opset=case.opset),
        )
    yield from quantized_cases().items()


def quantized(graph: Graph) -> Graph:
    """The graph with quantized activations, if it has any that are read."""
    ((_, kind),) = graph.inputs.items()
    return quantize(simplify(graph), [floats(*kind.shape, seed=9), floats(*kind.shape, seed=10)]).graph


@dataclass(frozen=True)
class Joined:
    """Networks side by side in one graph.

    Attributes:
        lowered: for a device.
        feeds: of its inputs.
        names: case -> its public outputs.
    """

    lowered: Lowered
    feeds: Mapping[str, Array]
    names: Mapping[str, list[str]]


def joined(graphs: Mapping[str, Graph]) -> Joined:
    inputs: dict[str, TensorType] = {}
    constants: dict[str, Array] = {}
    nodes: list[Node] = []
    outputs: dict[str, str] = {}
    names: dict[str, list[str]] = {}
    for case, graph in graphs.items():
        inputs |= {f"{case}/{name}": kind for name, kind in graph.inputs.items()}
        constants |= {f"{case}/{name}": array for name, array in graph.constants.items()}
        nodes += [
            Node(f"{case}/{n.name}", n.op, tuple(f"{case}/{i}" for i in n.inputs), f"{case}/{n.output}")
            for n in graph
        ]
        names[case] = []
        for public, value in graph.outputs.items():
            made, shape = f"{case}/{value}", graph.type_of(value).shape
            if shape[:1] != (1,):
                front = f"{case}/{public}/batch in front"
                nodes.append(Node(front, Reshape((1, *shape)), (made,), front))
                made = front
            outputs[f"{case}/{public}"] = made
            names[case].append(f"{case}/{public}")
    lowered = lower(Graph(inputs, tuple(nodes), constants, outputs))
    return Joined(lowered, {name: fed(kind) for name, kind in lowered.graph.inputs.items()}, names)


def fed(kind: TensorType) -> Array:
    if kind.dtype is ir.DType.F32:
        return floats(*kind.shape, seed=9)
    return np.random.default_rng(9).integers(0, 256, kind.shape).astype(kind.dtype.numpy)


@pytest.fixture(scope="module")
def lists() -> Mapping[str, Joined]:
    graphs = {name: import_onnx(content).graph for name, content in files()}
    floating = {name: graph for name, graph in graphs.items() if name in CASES}
    return {
        "as imported": joined(graphs),
        "quantized": joined({name: quantized(graph) for name, graph in floating.items()}),
    }


@pytest.fixture(scope="module")
def expected(lists: Mapping[str, Joined]) -> Results:
    return {kind: evaluate(each.lowered.graph, each.feeds) for kind, each in lists.items()}


@pytest.fixture(scope="module", params=[each.name for each in available()])
def computed(request: pytest.FixtureRequest, lists: Mapping[str, Joined], code_cache: Path) -> Results:
    results = {}
    for kind, each in lists.items():
        program = CpuDevice(request.param).load(each.lowered, LoadOptions(threads=2, cache=code_cache))
        results[kind] = program.run(each.feeds)
        program.close()
    return results


@pytest.mark.parametrize("name", [name for name, _ in files()])
def test_the_cpu_gives_the_bytes_of_the_reference(
    name: str, lists: Mapping[str, Joined], computed: Results, expected: Results
) -> None:
    for kind, each in lists.items():
        for output in each.names.get(name, ()):
            assert_same(computed[kind][output], expected[kind][output], f"{output}, {kind}")
