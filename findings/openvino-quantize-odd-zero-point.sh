#!/usr/bin/env bash
# OpenVINO 2026.4.1. ONNX's QuantizeLinear rounds x / scale to the nearest integer, halves to the even one, and then adds the
# zero point. OpenVINO adds first and rounds the sum: with an odd zero point every half goes to the other side, so that values
# half-way between two steps, as sums and means of quantized values often are, come out one step away. With an even zero point
# the two agree, so a network that was compared with zero points of 0 and 128 says nothing about the next one. onnxruntime
# 1.32.0 and onnx.reference of onnx 1.23.2 agree.
# Seen, for 0.5, 1.5, 2.5 and -1.5 by steps of 1, less the zero point:
#   zero point 128: onnxruntime [0, 2, 2, -2], OpenVINO [0, 2, 2, -2]
#   zero point 129: onnxruntime [0, 2, 2, -2], OpenVINO [1, 1, 3, -1]
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

VALUES = np.array([0.5, 1.5, 2.5, -1.5], np.float32)


def answers(zero: int) -> list[list[int]]:
    """Of onnxruntime, onnx.reference and OpenVINO, less the zero point."""
    x, y = (helper.make_tensor_value_info(name, kind, [4]) for name, kind in (("x", TensorProto.FLOAT), ("y", TensorProto.UINT8)))
    constants = [numpy_helper.from_array(np.float32(1), "scale"), numpy_helper.from_array(np.uint8(zero), "zero")]
    graph = helper.make_graph([helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["y"])], "g", [x], [y], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = session.run(None, {"x": VALUES})[0], ReferenceEvaluator(model).run(None, {"x": VALUES})[0], compiled({"x": VALUES})[0]
    return [(answer.astype(int) - zero).tolist() for answer in found]


seen = {128: [0, 2, 2, -2], 129: [1, 1, 3, -1]}
for zero, expected in seen.items():
    runtime, reference, vino = answers(zero)
    print(f"zero point {zero}: onnxruntime {runtime}, OpenVINO {vino}")
    if runtime != [0, 2, 2, -2] or reference != runtime or vino != expected:
        raise SystemExit("OpenVINO, onnxruntime or onnx has changed")
PYTHON
