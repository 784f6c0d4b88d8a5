#!/usr/bin/env bash
# onnx 1.23.2 on x86. onnx.reference's QuantizeLinear converts x / scale to int32 before it saturates: whatever is 2^31 steps or
# more, infinity among it, becomes the lowest int32 and saturates at the wrong end. The largest activation of all is quantized
# to the smallest value. At the negative end all is right. onnxruntime 1.32.0 saturates, as the specification says
# (QuantizeLinear-13, "saturate ((x / y_scale) + y_zero_point)").
# Seen, for 100, 1e9, 3e9, inf and -inf by steps of 1:
#   onnxruntime [100, 127, 127, 127, -128]
#   onnx.reference [100, 127, -128, -128, -128]
# Exits with 0 while that is so, and with 77 on other processors than x86, whose conversion of large numbers is another one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import platform

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

if platform.machine() not in ("x86_64", "AMD64"):
    raise SystemExit(77)
values = np.array([100, 1e9, 3e9, np.inf, -np.inf], np.float32)
constants = [numpy_helper.from_array(np.float32(1), "scale"), numpy_helper.from_array(np.int8(0), "zero")]
x, y = (helper.make_tensor_value_info(name, kind, [5]) for name, kind in (("x", TensorProto.FLOAT), ("y", TensorProto.INT8)))
graph = helper.make_graph([helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["y"])], "g", [x], [y], constants)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
onnx.checker.check_model(model, full_check=True)
session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
runtime = session.run(None, {"x": values})[0].tolist()
reference = ReferenceEvaluator(model).run(None, {"x": values})[0].tolist()
print("onnxruntime", runtime)
print("onnx.reference", reference)
seen = runtime == [100, 127, 127, 127, -128] and reference == [100, 127, -128, -128, -128]
raise SystemExit(0 if seen else "onnx or onnxruntime has changed")
PYTHON
