"""The reference device: a graph, node by node, in numpy. The oracle of every test, and the float32 of calibration."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from accelserve.kernels.devices import reference_winograd  # noqa: F401 - registers its operator
from accelserve.kernels.devices.base import LoadOptions, Lowered, StepProfile
from accelserve.kernels.devices.feeds import checked_batch
from accelserve.kernels.devices.reference_ops import EVALUATORS, FASTER
from accelserve.kernels.errors import DeviceError, UnsupportedNodesError
from accelserve.kernels.ir import Array, Graph, Node, QWinogradConv2d, TensorType

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
    lacking = [(node.name, node.op.label) for node in graph if type(node.op) not in EVALUATORS]
    if lacking:
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


class ReferenceProgram:
    """A graph kept as it is; thread-safe, since evaluation shares nothing."""

    def __init__(self, lowered: Lowered) -> None:
        self._graph = lowered.graph
        self._closed = False

    @property
    def inputs(self) -> Mapping[str, TensorType]:
        """Name -> type of each input, for one image."""
        return self._graph.inputs

    @property
    def outputs(self) -> Mapping[str, TensorType]:
        """Name -> type of each output, for one image."""
        return {public: self._graph.type_of(value) for public, value in self._graph.outputs.items()}

    @property
    def description(self) -> str:
        """What it is."""
        return "reference numpy, 1 thread"

    @property
    def memory_bytes(self) -> int:
        """Bytes of the constants."""
        return sum(array.nbytes for array in self._graph.constants.values())

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Results for a batch, image by image; see ``Program.run``."""
        if self._closed:
            raise DeviceError("this program is closed; load the model again")
        count = checked_batch(self.inputs, inputs)
        images = [evaluate(self._graph, {k: v[i : i + 1] for k, v in inputs.items()}) for i in range(count)]
        return {public: np.concatenate([image[public] for image in images]) for public in self._graph.outputs}

    def profile(self, inputs: Mapping[str, Array], runs: int) -> Sequence[StepProfile]:
        """Median time of every node over ``runs`` runs of the first image."""
        feeds = {name: array[:1] for name, array in inputs.items()}
        clocks: dict[str, list[float]] = {node.name: [] for node in self._graph}
        for _ in range(runs):
            began = time.perf_counter()

            def note(node: Node, _: Array) -> None:
                nonlocal began
                now = time.perf_counter()
                clocks[node.name].append(now - began)
                began = now

            evaluate(self._graph, feeds, note)
        return [
            StepProfile(
                node.name,
                f"{node.op.label} numpy",
                self._graph.type_of(node.output).shape,
                macs(self._graph, node),
                float(np.median(clocks[node.name])),
            )
            for node in self._graph
        ]

    def peak_macs_per_second(self) -> None:
        """Nothing is claimed of numpy."""

    def close(self) -> None:
        """Forget the graph's use; a later ``run`` raises."""
        self._closed = True


class ReferenceDevice:
    """numpy on the host."""

    name = "reference"

    def load(self, lowered: Lowered, options: LoadOptions) -> ReferenceProgram:
        """Check that every operator has an evaluator, and keep the graph; ``options`` changes nothing here."""
        del options
        lacking = [(node.name, node.op.label) for node in lowered.graph if type(node.op) not in EVALUATORS]
        if lacking:
            raise UnsupportedNodesError(lacking)
        return ReferenceProgram(lowered)


def macs(graph: Graph, node: Node) -> int:
    """Multiply-accumulates of a convolution or dense node, as its algorithm makes them; 0 for any other."""
    if node.op.label not in {"Conv2d", "QConv2d", "QWinogradConv2d", "Dense"}:
        return 0
    weights, result = graph.type_of(node.inputs[1]), graph.type_of(node.output)
    if isinstance(node.op, QWinogradConv2d):
        _, rows, columns, _ = result.shape
        return -(-rows // 2) * -(-columns // 2) * weights.elements
    return result.elements * (weights.elements // weights.shape[0])
