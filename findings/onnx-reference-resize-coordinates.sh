#!/usr/bin/env bash
# onnx 1.23.2. Two of the coordinate transformations of onnx.reference's Resize are not those of the specification (Resize-19).
# "align_corners" is x * (length_original - 1) / (length_resized - 1), with the length of the resized tensor; onnx.reference
# takes the length before it is rounded down, original times scale, so that the last pixel is not the last pixel any more. And
# "pytorch_half_pixel" to a length of 1 is 0, the first pixel; onnx.reference says -0.5, as half_pixel would not. onnxruntime
# 1.32.0 computes what the specification says.
# Seen, of the row 10, 20, 30, 40:
#   align_corners, linear, scale 1.6: onnxruntime [10.0, 16.0, 22.0, 28.0, 34.0, 40.0], onnx.reference [10.0, 15.6, 21.1, 26.7, 32.2, 37.8]
#   pytorch_half_pixel, cubic, size 1: onnxruntime [10.0], onnx.reference [9.1]
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
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

ROW = np.array([10, 20, 30, 40], np.float32).reshape(1, 1, 1, 4)


def both(mode: str, transformation: str, inputs: list[str], last: np.ndarray, length: int) -> list[list[float]]:
    """What onnxruntime and onnx.reference answer."""
    node = helper.make_node("Resize", inputs, ["y"], mode=mode, coordinate_transformation_mode=transformation)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, 1, size]) for name, size in (("x", 4), ("y", length)))
    graph = helper.make_graph([node], "g", [x], [y], [numpy_helper.from_array(last, inputs[-1])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run(None, {"x": ROW})[0], ReferenceEvaluator(model).run(None, {"x": ROW})[0]
    return [np.round(answer.ravel().astype(float), 1).tolist() for answer in found]


scaled = both("linear", "align_corners", ["x", "", "scales"], np.array([1, 1, 1, 1.6], np.float32), 6)
sized = both("cubic", "pytorch_half_pixel", ["x", "", "", "sizes"], np.array([1, 1, 1, 1], np.int64), 1)
print("align_corners, linear, scale 1.6: onnxruntime {}, onnx.reference {}".format(*scaled))
print("pytorch_half_pixel, cubic, size 1: onnxruntime {}, onnx.reference {}".format(*sized))
right = (10 + np.arange(6) * (4 - 1) / (6 - 1) * 10).tolist(), [10.0]
seen = scaled == [right[0], [10.0, 15.6, 21.1, 26.7, 32.2, 37.8]] and sized == [right[1], [9.1]]
raise SystemExit(0 if seen else "onnx or onnxruntime has changed")
PYTHON
