"""ONNX files for tests, and the oracle: onnxruntime on the file as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from accelserve.kernels.ir import Array, Graph
from accelserve.kernels.reference.evaluator import evaluate
from accelserve.models.importing import ImportedModel, import_onnx

Floats = NDArray[np.float32]
Shape = Sequence[int | str]


def floats(*shape: int, seed: int = 0) -> Floats:
    """Standard normal numbers."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def onnx_file(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Shape],
    outputs: Sequence[str],
    constants: Mapping[str, Array] | None = None,
    *,
    opset: int = 17,
    element: int = TensorProto.FLOAT,
) -> bytes:
    """A file; the shapes of outputs are left open, as the standard allows."""
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info(name, element, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return bytes(model.SerializeToString())


def node(op: str, inputs: str, outputs: str, **attributes: Any) -> onnx.NodeProto:
    """A node; operands separated by blanks, ``_`` for an absent one."""
    operands = ["" if name == "_" else name for name in inputs.split()]
    return helper.make_node(
        op, operands, outputs.split(), name=f"{op}-{outputs.split(maxsplit=1)[0]}", **attributes
    )


def session(content: bytes, *, optimize: bool = True) -> ort.InferenceSession:
    """onnxruntime on one thread, warnings off, its integer sums exact on every processor.

    Without that entry its optimised int8 kernels add pairs of products in int16, which saturates where a processor
    has AVX2 and no VNNI: the judge would be wrong there, and not what it judges.
    """
    options = ort.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    if not optimize:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def expected(content: bytes, feeds: Mapping[str, Array]) -> list[Array]:
    """What onnxruntime computes."""
    results: list[Array] = session(content).run(None, dict(feeds))
    return results


def nhwc_feeds(model: ImportedModel, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """The file's feeds as our graph takes them."""
    return {
        name: array.transpose(0, 2, 3, 1) if model.input_layouts.get(name) == "NCHW" else array
        for name, array in feeds.items()
        if name in model.graph.inputs
    }


def assert_agrees(
    content: bytes, feeds: Mapping[str, Array], tolerance: float = 1e-5, *, any_order: bool = False
) -> Graph:
    """Import the file and compare every output's shape, dtype and values with onnxruntime's; gives our graph.

    ``any_order`` leaves the order of float32 sums open, which large networks cannot do without.
    """
    imported = import_onnx(content)
    found = evaluate(imported.graph, nhwc_feeds(imported, feeds), any_order=any_order)
    for mine, reference in zip(found.values(), expected(content, feeds), strict=True):
        assert mine.shape == reference.shape
        assert mine.dtype == reference.dtype
        scale = max(1.0, float(np.abs(reference).max()))
        np.testing.assert_allclose(mine, reference, rtol=tolerance, atol=tolerance * scale)
    return imported.graph


def operators(graph: Graph) -> list[str]:
    """Names of the operators, in graph order."""
    return [each.op.label for each in graph]
