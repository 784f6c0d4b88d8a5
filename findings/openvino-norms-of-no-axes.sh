#!/usr/bin/env bash
# OpenVINO 2026.4.1. ReduceL1, ReduceL2 and ReduceLogSum of ONNX with noop_with_empty_axes=1 and no axes reduce nothing, "but
# composite-reduction operators will still perform the non-reduction steps as needed": the norms of single values are their
# absolute values, the logarithm of a sum of one is its logarithm. OpenVINO answers with its input as it came, negative "norms"
# among it; ReduceSumSquare does square. onnxruntime 1.32.0 and onnx.reference of onnx 1.23.2 agree with the specification.
# Seen, of -2 and 3 (of 1 and 4 for ReduceLogSum):
#   ReduceL1: onnxruntime [2.0, 3.0], OpenVINO [-2.0, 3.0]
#   ReduceL2: onnxruntime [2.0, 3.0], OpenVINO [-2.0, 3.0]
#   ReduceLogSum: onnxruntime [0.0, 1.386], OpenVINO [1.0, 4.0]
#   ReduceSumSquare: onnxruntime [4.0, 9.0], OpenVINO [4.0, 9.0]
# Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install openvino==2026.4.1 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator


def model_of(operator: str) -> onnx.ModelProto:
    node = helper.make_node(operator, ["x", "axes"], ["y"], noop_with_empty_axes=1)
    axes = numpy_helper.from_array(np.zeros(0, np.int64), "axes")
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy")
    graph = helper.make_graph([node], "g", [x], [y], [axes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


def of_onnxruntime(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, feeds)[0]


def of_openvino(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> np.ndarray:
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled(feeds)[0]


seen = True
for operator in ("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceSumSquare"):
    model = model_of(operator)
    feeds = {"x": np.array([1, 4] if operator == "ReduceLogSum" else [-2, 3], np.float32)}
    ort, vino = of_onnxruntime(model, feeds), of_openvino(model, feeds)
    print(f"{operator}: onnxruntime {ort.astype(float).round(3).tolist()}, OpenVINO {vino.tolist()}")
    seen &= np.allclose(ort, ReferenceEvaluator(model).run(None, feeds)[0])
    seen &= np.array_equal(vino, ort if operator == "ReduceSumSquare" else feeds["x"])
raise SystemExit(0 if seen else "OpenVINO, onnxruntime or onnx has changed")
PYTHON
