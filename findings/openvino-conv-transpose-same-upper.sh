#!/usr/bin/env bash
# OpenVINO 2026.4.1. Where ONNX's ConvTranspose has an output_shape, the rows and columns that are too many are cut off evenly,
# and an odd one at the end if auto_pad is SAME_UPPER, else at the beginning (ConvTranspose-11 and on). OpenVINO cuts the odd
# one off at the beginning for SAME_UPPER, too: the picture is shifted by one pixel. With SAME_UPPER and no output_shape, which
# leads to the same shape, it is right. onnxruntime 1.32.0 and onnx.reference of onnx 1.23.2 agree.
# Seen, of three pixels 1, 2, 3, a kernel of three ones and steps of 2, to 6 pixels:
#   without output_shape: onnxruntime [1, 1, 3, 2, 5, 3], OpenVINO [1, 1, 3, 2, 5, 3]
#   with output_shape 6: onnxruntime [1, 1, 3, 2, 5, 3], OpenVINO [1, 3, 2, 5, 3, 3]
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

ROW = np.array([1, 2, 3], np.float32).reshape(1, 1, 3)


def answers(**attributes: list[int]) -> list[list[int]]:
    """Of onnxruntime, onnx.reference and OpenVINO."""
    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2], auto_pad="SAME_UPPER", **attributes)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, size]) for name, size in (("x", 3), ("y", 6)))
    graph = helper.make_graph([node], "g", [x], [y], [numpy_helper.from_array(np.ones((1, 1, 3), np.float32), "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = session.run(None, {"x": ROW})[0], ReferenceEvaluator(model).run(None, {"x": ROW})[0], compiled({"x": ROW})[0]
    return [answer.ravel().astype(int).tolist() for answer in found]


right = [1, 1, 3, 2, 5, 3]
for name, found, wrong in (
    ("without output_shape", answers(), right),
    ("with output_shape 6", answers(output_shape=[6]), [1, 3, 2, 5, 3, 3]),
):
    runtime, reference, vino = found
    print(f"{name}: onnxruntime {runtime}, OpenVINO {vino}")
    if (runtime, reference, vino) != (right, right, wrong):
        raise SystemExit("OpenVINO, onnxruntime or onnx has changed")
PYTHON
