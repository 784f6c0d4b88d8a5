#!/usr/bin/env bash
# onnx 1.23.2. Two operators of onnx.reference take p-norms otherwise than the specification. LpNormalization with p=1 divides by
# the sum of the values, not of their absolute values, so that signs are turned round, and a row whose values cancel out is 0.
# LpPool multiplies a mean by the window's size: of a last window that ceil_mode lets hang over the edge the mean is of fewer
# values, and the norm is too large. onnxruntime 1.32.0 computes what the specification says, as does numpy.linalg.norm.
# Seen:
#   LpNormalization, p=1, of 3, -4: onnxruntime [0.429, -0.571], onnx.reference [-3.0, 4.0]
#   LpNormalization, p=2, of 3, -4: onnxruntime [0.6, -0.8], onnx.reference [0.6, -0.8]
#   LpPool, p=1, of 1 2 3 4, windows of 3 by steps of 2 with ceil_mode and a pixel of padding:
#     onnxruntime [3.0, 9.0, 4.0], onnx.reference [3.0, 9.0, 6.0]
# Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator


def both(operator: str, x: np.ndarray, y_shape: list[int], **attributes: object) -> tuple[list[float], list[float]]:
    node = helper.make_node(operator, ["x"], ["y"], **attributes)
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)]
    graph = helper.make_graph([node], "g", inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, y_shape)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    answers = session.run(None, {"x": x})[0], ReferenceEvaluator(model).run(None, {"x": x})[0]
    ort, reference = (answer.ravel().astype(float).round(3).tolist() for answer in answers)
    return ort, reference


row = np.array([[3, -4]], np.float32)
seen = True
for p, wrong in ((1, [-3, 4]), (2, [0.6, -0.8])):
    ort, reference = both("LpNormalization", row, [1, 2], p=p, axis=1)
    print(f"LpNormalization, p={p}, of 3, -4: onnxruntime {ort}, onnx.reference {reference}")
    seen &= np.allclose(ort, (row / np.linalg.norm(row, p, axis=1)).ravel(), atol=0.001) and np.allclose(reference, wrong)
pixels = np.array([1, 2, 3, 4], np.float32).reshape(1, 1, 4)
ort, reference = both("LpPool", pixels, [1, 1, 3], p=1, kernel_shape=[3], strides=[2], pads=[1, 1], ceil_mode=1)
print("LpPool, p=1, of 1 2 3 4, windows of 3 by steps of 2 with ceil_mode and a pixel of padding:")
print(f"  onnxruntime {ort}, onnx.reference {reference}")
raise SystemExit(0 if seen and ort == [3, 9, 4] and reference == [3, 9, 6] else "onnx or onnxruntime has changed")
PYTHON
