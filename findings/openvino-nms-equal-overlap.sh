#!/usr/bin/env bash
# OpenVINO 2026.4.1. ONNX's NonMaxSuppression drops a box whose overlap with a better one is "strictly greater than iou_threshold
# (i.e., boxes with IOU exactly equal to the threshold are kept)". OpenVINO drops the equal ones, too, though its own
# NonMaxSuppression-9 keeps iou <= iou_threshold. The default threshold is 0, and boxes that do not touch overlap by 0: so of all
# objects in a picture, however far apart, one is left, and nothing is logged. onnxruntime 1.32.0 and onnx.reference of onnx 1.23.2
# follow the specification.
# Seen, of four boxes (the last one is half of the third, the others are apart):
#   default, 0: onnxruntime [0, 1, 2], OpenVINO [0]
#   threshold 0.5: onnxruntime [0, 1, 2, 3], OpenVINO [0, 1, 2]
#   threshold 0.51: onnxruntime [0, 1, 2, 3], OpenVINO [0, 1, 2, 3]
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

BOXES = np.array([[[0, 0, 1, 1], [0, 10, 1, 11], [0, 20, 1, 21], [0, 20, 1, 20.5]]], np.float32)
SCORES = np.array([[[0.9, 0.8, 0.7, 0.6]]], np.float32)
FEEDS = {"boxes": BOXES, "scores": SCORES}


def model_of(threshold: float | None) -> onnx.ModelProto:
    names, constants = ["boxes", "scores", "most"], [numpy_helper.from_array(np.array([9], np.int64), "most")]
    if threshold is not None:
        names.append("threshold")
        constants.append(numpy_helper.from_array(np.array([threshold], np.float32), "threshold"))
    node = helper.make_node("NonMaxSuppression", names, ["kept"])
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape) for name, value in FEEDS.items()]
    kept = helper.make_tensor_value_info("kept", TensorProto.INT64, ["n", 3])
    graph = helper.make_graph([node], "g", inputs, [kept], constants)
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
for threshold, right, wrong in ((None, [0, 1, 2], [0]), (0.5, [0, 1, 2, 3], [0, 1, 2]), (0.51, [0, 1, 2, 3], [0, 1, 2, 3])):
    model = model_of(threshold)
    ort, vino = (run(model, FEEDS)[:, 2].tolist() for run in (of_onnxruntime, of_openvino))
    print(f"{'default, 0' if threshold is None else f'threshold {threshold}'}: onnxruntime {ort}, OpenVINO {vino}")
    seen &= (ort, vino) == (right, wrong)
    if threshold is not None:
        seen &= ReferenceEvaluator(model).run(None, FEEDS)[0][:, 2].tolist() == right
raise SystemExit(0 if seen else "OpenVINO, onnxruntime or onnx has changed")
PYTHON
