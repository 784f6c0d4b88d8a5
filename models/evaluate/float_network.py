"""The float32 original, run by onnxruntime where it is installed and in numpy where it is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.ir import Array, Graph
from accelserve.kernels.reference.evaluator import evaluate
from accelserve.models.importing import export_onnx

Run = Callable[[NDArray[np.float32]], Mapping[str, Array]]
"""From one preprocessed picture, float32 [1, H, W, C], to output name -> array."""


def float_network(graph: Graph) -> Run:
    """What computes a float graph fastest here.

    Args:
        graph: float operators, one input.
    """
    (name,) = graph.inputs
    if find_spec("onnxruntime") is None:
        return lambda picture: evaluate(graph, {name: picture}, any_order=True)
    return _by_onnxruntime(graph, name)


def _by_onnxruntime(graph: Graph, name: str) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(export_onnx(graph), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(picture: NDArray[np.float32]) -> Mapping[str, Array]:
        # Exported networks read NCHW.
        feeds = {name: np.ascontiguousarray(picture.transpose(0, 3, 1, 2))}
        return dict(zip(names, session.run(names, feeds), strict=True))

    return run
