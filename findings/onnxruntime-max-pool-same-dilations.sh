#!/usr/bin/env bash
# onnxruntime 1.32.0. MaxPool with auto_pad SAME_UPPER or SAME_LOWER answers with ceil(size / stride) pixels (MaxPool-12),
# whatever the dilation: that is what SAME means, and what onnx's shape inference says of the file. With dilations onnxruntime's
# answer is smaller, since the padding that it adds is that of the kernel without them; a warning about shapes is logged, and
# the values that follow are of other places. Conv with the same attributes is refused when it runs. onnx.reference of onnx
# 1.23.2 is right.
# Seen, of 5 x 5 pixels, a kernel of 2, a dilation of 2 and steps of 1:
#   shape inference (1, 1, 5, 5), onnx.reference (1, 1, 5, 5), onnxruntime (1, 1, 4, 4)
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

onnxruntime.set_default_logger_severity(3)
PIXELS = np.arange(25, dtype=np.float32).reshape(1, 1, 5, 5)
node = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], dilations=[2, 2], auto_pad="SAME_UPPER")
x, y = helper.make_tensor_value_info("x", TensorProto.FLOAT, PIXELS.shape), helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
model = helper.make_model(helper.make_graph([node], "g", [x], [y]), opset_imports=[helper.make_opsetid("", 12)], ir_version=8)
model = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
onnx.checker.check_model(model, full_check=True)

inferred = tuple(size.dim_value for size in model.graph.output[0].type.tensor_type.shape.dim)
reference = ReferenceEvaluator(model).run(None, {"x": PIXELS})[0]
runtime = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": PIXELS})[0]
print(f"shape inference {inferred}, onnx.reference {reference.shape}, onnxruntime {runtime.shape}")
padded = np.pad(PIXELS[0, 0], 1, constant_values=-np.inf)
right = np.maximum.reduce([padded[i : i + 5, j : j + 5] for i in (0, 2) for j in (0, 2)])
if inferred != (1, 1, 5, 5) or not np.array_equal(reference[0, 0], right):
    raise SystemExit("onnx has changed")
raise SystemExit(0 if runtime.shape == (1, 1, 4, 4) else "onnxruntime has changed")
PYTHON
