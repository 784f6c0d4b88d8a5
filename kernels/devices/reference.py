"""The reference device: ``kernels.reference`` as a device, to which every other one is compared."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np

from accelserve.kernels.errors import DeviceError, UnsupportedNodesError
from accelserve.kernels.ir import Array, Node, TensorType
from accelserve.kernels.ir.multiplications import macs
from accelserve.kernels.program import LoadOptions, Lowered, StepProfile, checked_batch
from accelserve.kernels.reference.evaluator import evaluate, unknown_nodes


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
        if lacking := unknown_nodes(lowered.graph):
            raise UnsupportedNodesError(lacking)
        return ReferenceProgram(lowered)
