#!/usr/bin/env bash
# OpenVINO 2026.4.1. ONNX's QuantizeLinear saturates to the range of its zero point's type. OpenVINO does so for uint8 and int8;
# for uint16 and int16 (operator set 21), with which networks keep activations that 8 bits are too few for, it wraps round: a
# little below the range becomes the largest value. onnxruntime 1.32.0 and onnx.reference of onnx 1.23.2 saturate.
# Seen, for -1, 0, 1 and 70000 by steps of 1 and a zero point of 0:
#   uint8: onnxruntime [  0   0   1 255], OpenVINO [  0   0   1 255]
#   uint16: onnxruntime [    0     0     1 65535], OpenVINO [65535     0     1  4464]
#   int16: onnxruntime [   -1     0     1 32767], OpenVINO [  -1    0    1 4464]
# Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install openvino==2026.4.1 onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
import openvino as ov
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

x = np.array([-1, 0, 1, 70000], np.float32)
for kind in (np.uint8, np.int8, np.uint16, np.int16):
    node = helper.make_node("QuantizeLinear", ["x", "step", "zero"], ["y"])
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)
    made = helper.make_tensor_value_info("y", helper.np_dtype_to_tensor_dtype(np.dtype(kind)), x.shape)
    constants = [numpy_helper.from_array(np.float32(1), "step"), numpy_helper.from_array(kind(0), "zero")]
    graph = helper.make_graph([node], "g", [given], [made], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    right = session.run(None, {"x": x})[0]
    core = ov.Core()
    found = core.compile_model(core.read_model(model.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(x)[0]
    print(f"{kind.__name__}: onnxruntime {right}, OpenVINO {found}")
    limits = np.iinfo(kind)
    if not np.array_equal(right, np.clip(x, limits.min, limits.max)) or not np.array_equal(right, ReferenceEvaluator(model).run(None, {"x": x})[0]):
        raise SystemExit("onnxruntime or onnx.reference has changed")
    if not np.array_equal(found, right if limits.bits == 8 else x.astype(np.int64).astype(kind)):
        raise SystemExit("OpenVINO has changed")
PYTHON
