#!/usr/bin/env bash
# OpenVINO 2026.4.1. ONNX's AveragePool with ceil_mode=1 and count_include_pad=1 divides by those of a window's pixels that are
# in the picture or its padding, not by those beyond, which are there only because the size was rounded up (PyTorch's rule,
# too). onnx.reference of onnx 1.23.2 and onnxruntime 1.32.0 agree. OpenVINO divides by the whole window's area, so that the
# last row and column are darker than they should be, though its own AvgPool-14 has a rounding type for the rule, ceil_torch.
# Seen, of 4 pixels of 1 in a row, windows of 3 by steps of 2, a pixel of padding on both sides:
#   onnxruntime: [0.667, 1.0, 0.5]
#   OpenVINO: [0.667, 1.0, 0.333]
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
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

ROW = np.ones((1, 1, 4), np.float32)
kind = {"kernel_shape": [3], "strides": [2], "pads": [1, 1], "ceil_mode": 1, "count_include_pad": 1}
x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, size]) for name, size in (("x", 4), ("y", 3)))
graph = helper.make_graph([helper.make_node("AveragePool", ["x"], ["y"], **kind)], "g", [x], [y])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
onnx.checker.check_model(model, full_check=True)

session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
core = openvino.Core()
compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
found = {
    "onnx.reference": ReferenceEvaluator(model).run(None, {"x": ROW})[0],
    "onnxruntime": session.run(None, {"x": ROW})[0],
    "OpenVINO": compiled({"x": ROW})[0],
}
rounded = {name: np.round(answer.ravel().astype(float), 3).tolist() for name, answer in found.items()}
for name, answer in rounded.items():
    print(f"{name}: {answer}")
right = [0.667, 1.0, 0.5]
raise SystemExit(0 if list(rounded.values()) == [right, right, [0.667, 1.0, 0.333]] else "OpenVINO, onnxruntime or onnx has changed")
PYTHON
