#!/usr/bin/env bash
# onnxruntime 1.32.0 on a CPU. Cast to float8 with saturate=0 turns what is too large into NaN (E4M3FN, which has no infinity)
# or infinity (E5M2), by the tables of Cast-19, which round first: E4M3FN ends at 448, and from 464 on the nearest value would
# be the one after it. onnxruntime's E4M3FN is not monotonic there: 465 is NaN, 480 is 448 again, 481 is NaN; its E5M2 has NaN
# where infinity is due, for what would be rounded up to the next power of two. onnx.reference of onnx 1.23.2 follows the
# tables. With saturate=1, the default, both do.
# Seen:
#   E4M3FN of 448, 465, 480, 1000: onnxruntime [448.0, nan, 448.0, nan], onnx.reference [448.0, nan, nan, nan]
#   E5M2 of 57344, 61440, 70000: onnxruntime [57344.0, nan, inf], onnx.reference [57344.0, inf, inf]
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


def both(kind: int, values: list[float]) -> list[list[float]]:
    """What onnxruntime and onnx.reference make of the values, cast to the kind and back."""
    nodes = [
        helper.make_node("Cast", ["x"], ["narrow"], to=kind, saturate=0),
        helper.make_node("Cast", ["narrow"], ["y"], to=TensorProto.FLOAT),
    ]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [len(values)]) for name in "xy")
    model = helper.make_model(helper.make_graph(nodes, "g", [x], [y]), opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    feed = {"x": np.array(values, np.float32)}
    return [answer.tolist() for answer in (session.run(None, feed)[0], ReferenceEvaluator(model).run(None, feed)[0])]


nan, inf = np.nan, np.inf
for name, kind, values, wrong, right in (
    ("E4M3FN", TensorProto.FLOAT8E4M3FN, [448, 465, 480, 1000], [448, nan, 448, nan], [448, nan, nan, nan]),
    ("E5M2", TensorProto.FLOAT8E5M2, [57344, 61440, 70000], [57344, nan, inf], [57344, inf, inf]),
):
    runtime, reference = both(kind, values)
    print(f"{name} of {', '.join(map(str, values))}: onnxruntime {runtime}, onnx.reference {reference}")
    if not np.array_equal(runtime, wrong, equal_nan=True) or not np.array_equal(reference, right, equal_nan=True):
        raise SystemExit("onnxruntime or onnx has changed")
PYTHON
