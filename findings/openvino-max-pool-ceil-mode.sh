#!/usr/bin/env bash
# OpenVINO 2026.4.1. With ceil_mode=1 the last window of ONNX's MaxPool may begin in the padding on the right, where there is
# nothing to take a maximum of; "sliding windows that would start in the right padded region are ignored" (MaxPool-22), as in
# PyTorch. OpenVINO keeps them: its answer has a row and a column more than that of others, filled with the lowest float32.
# onnxruntime 1.32.0 and onnx.reference of onnx 1.23.2 agree. Its own AveragePool leaves such windows out.
# Seen, of 5 x 5 pixels 0..24, windows of 2 by steps of 2, a pixel of padding:
#   onnxruntime: (1, 1, 3, 3), lowest 0.0
#   OpenVINO: (1, 1, 4, 4), lowest -3.4028235e+38
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

PIXELS = np.arange(25, dtype=np.float32).reshape(1, 1, 5, 5)


def model_of(operator: str) -> onnx.ModelProto:
    node = helper.make_node(operator, ["x"], ["y"], kernel_shape=[2, 2], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 5, 5])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 3, 3])
    model = helper.make_model(helper.make_graph([node], "g", [x], [y]), opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


def of_onnxruntime(model: onnx.ModelProto) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": PIXELS})[0]


def of_openvino(model: onnx.ModelProto) -> np.ndarray:
    core = openvino.Core()
    return core.compile_model(core.read_model(model.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})({"x": PIXELS})[0]


model = model_of("MaxPool")
right, vino = of_onnxruntime(model), of_openvino(model)
print(f"onnxruntime: {right.shape}, lowest {right.min()!s}")
print(f"OpenVINO: {vino.shape}, lowest {vino.min()!s}")
agree = np.array_equal(ReferenceEvaluator(model).run(None, {"x": PIXELS})[0], right)
agree &= np.array_equal(vino[..., :3, :3], right)
average = model_of("AveragePool")
agree &= np.allclose(of_openvino(average), of_onnxruntime(average))
lowest = np.finfo(np.float32).min
seen = vino.shape == (1, 1, 4, 4) and bool((vino[..., 3] == lowest).all() and (vino[..., 3, :] == lowest).all())
raise SystemExit(0 if agree and seen else "OpenVINO, onnxruntime or onnx has changed")
PYTHON
