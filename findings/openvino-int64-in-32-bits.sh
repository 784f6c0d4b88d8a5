#!/usr/bin/env bash
# OpenVINO 2026.4.1. On a CPU it keeps int64 in 32 bits. Inputs are taken as int64 and answers say int64, but only the lower half
# of each number is in them, without an error or a line in the log: an id, a time in milliseconds or a hash that passes through
# comes back as another one, and two of them that differ in the upper half are equal. That the CPU computes integers in i32 is in
# its documentation; that other values are taken and cut is not. onnxruntime 1.32.0 and onnx.reference of onnx 1.23.2 have 64 bits.
# Seen, of 2^32 + 1, 2^40 and 5:
#   Identity: onnxruntime [4294967297, 1099511627776, 5], OpenVINO [1, 0, 5] (int64)
#   Equal 1: onnxruntime [False, False, False], OpenVINO [True, False, False] (bool)
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

FEEDS = {"x": np.array([2**32 + 1, 2**40, 5], np.int64)}


def model_of(operator: str) -> onnx.ModelProto:
    equal = operator == "Equal"
    node = helper.make_node(operator, ["x", "one"] if equal else ["x"], ["y"])
    constants = [numpy_helper.from_array(np.array(1, np.int64), "one")] if equal else []
    x = helper.make_tensor_value_info("x", TensorProto.INT64, [3])
    y = helper.make_tensor_value_info("y", TensorProto.BOOL if equal else TensorProto.INT64, [3])
    graph = helper.make_graph([node], "g", [x], [y], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
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
for operator, right, wrong in (
    ("Identity", [2**32 + 1, 2**40, 5], [1, 0, 5]),
    ("Equal", [False, False, False], [True, False, False]),
):
    model = model_of(operator)
    ort, vino = of_onnxruntime(model, FEEDS).tolist(), of_openvino(model, FEEDS)
    print(f"{operator}{' 1' if operator == 'Equal' else ''}: onnxruntime {ort}, OpenVINO {vino.tolist()} ({vino.dtype})")
    seen &= ort == right == ReferenceEvaluator(model).run(None, FEEDS)[0].tolist() and vino.tolist() == wrong
raise SystemExit(0 if seen else "OpenVINO, onnxruntime or onnx has changed")
PYTHON
