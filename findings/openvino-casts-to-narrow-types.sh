#!/usr/bin/env bash
# OpenVINO 2026.4.1, with INFERENCE_PRECISION_HINT f32. ONNX's Cast to a narrow type and back is how a file rounds values to
# what that type holds. OpenVINO answers with values that the type does not have:
#   float16: both casts are dropped, nothing is rounded, and what is too large is no infinity;
#   int4, uint4: as if there were no limits;
#   float8: what is too large becomes NaN, where saturate=1, the default of Cast-19, asks for the largest value.
# Nothing is refused or logged. onnxruntime 1.32.0 follows the tables of the specification, as does onnx.reference of onnx
# 1.23.2.
# Seen:
#   float16 of 2049 and 70000: onnxruntime [2048.0, inf], OpenVINO [2049.0, 70000.0]
#   int4 of the int8 7 and 100: onnxruntime [7.0, 4.0], OpenVINO [7.0, 100.0]
#   float8 (E4M3FN) of 448 and 1000: onnxruntime [448.0, 448.0], OpenVINO [448.0, nan]
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
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator


def answers(kind: int, values: np.ndarray) -> list[list[float]]:
    """Of onnxruntime, onnx.reference and OpenVINO, of the values cast to the kind and then to float32."""
    nodes = [helper.make_node("Cast", ["x"], ["narrow"], to=kind), helper.make_node("Cast", ["narrow"], ["y"], to=TensorProto.FLOAT)]
    x = helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(values.dtype), [2])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])
    model = helper.make_model(helper.make_graph(nodes, "g", [x], [y]), opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = session.run(None, {"x": values})[0], ReferenceEvaluator(model).run(None, {"x": values})[0], compiled({"x": values})[0]
    return [answer.tolist() for answer in found]


for name, kind, values, right, wrong in (
    ("float16 of 2049 and 70000", TensorProto.FLOAT16, np.array([2049, 70000], np.float32), [2048, np.inf], [2049, 70000]),
    ("int4 of the int8 7 and 100", TensorProto.INT4, np.array([7, 100], np.int8), [7, 4], [7, 100]),
    ("float8 (E4M3FN) of 448 and 1000", TensorProto.FLOAT8E4M3FN, np.array([448, 1000], np.float32), [448, 448], [448, np.nan]),
):
    runtime, reference, vino = answers(kind, values)
    print(f"{name}: onnxruntime {runtime}, OpenVINO {vino}")
    if runtime != right or reference != right or not np.array_equal(vino, wrong, equal_nan=True):
        raise SystemExit("OpenVINO, onnxruntime or onnx has changed")
PYTHON
