#!/usr/bin/env bash
# onnxruntime 1.32.0. Resize of int8 with antialias=1 answers 0 for everything below 0: the filter clips to 0..255, the range
# of uint8, whatever the type. Of the same values as float32, as uint8 with an offset of 128, or without antialias, the
# answer is right; onnx.reference of onnx 1.23.2 computes it for int8, too.
# Seen, for a row of four -50 and four 50 that is halved:
#   float32 [-50.  -37.5  37.5  50. ]
#   uint8, less 128 [-50 -37  38  50]
#   int8 [ 0  0 38 50]
# Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

row = np.array([-50] * 4 + [50] * 4).reshape(1, 1, 1, 8)


def halved(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The row at half its width, by onnxruntime and by onnx.reference."""
    kind = helper.np_dtype_to_tensor_dtype(values.dtype)
    node = helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="linear", antialias=1)
    shapes = {"x": [1, 1, 1, 8], "y": [1, 1, 1, 4]}
    x, y = (helper.make_tensor_value_info(name, kind, shape) for name, shape in shapes.items())
    scales = numpy_helper.from_array(np.array([1, 1, 1, 0.5], np.float32), "scales")
    graph = helper.make_graph([node], "g", [x], [y], [scales])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": values})[0].ravel(), ReferenceEvaluator(model).run(None, {"x": values})[0].ravel()


exact, _ = halved(row.astype(np.float32))
shifted = halved((row + 128).astype(np.uint8))[0].astype(int) - 128
signed, reference = halved(row.astype(np.int8))
print("float32", exact.round(3))
print("uint8, less 128", shifted)
print("int8", signed)
print("int8 by onnx.reference", reference)
if np.abs(shifted - exact).max() > 1 or np.abs(reference - exact).max() > 1:
    raise SystemExit("the answer for uint8, or onnx.reference's, has changed")
raise SystemExit(0 if np.array_equal(signed, np.maximum(shifted, 0)) else "the answer for int8 has changed")
PYTHON
