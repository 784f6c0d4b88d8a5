#!/usr/bin/env bash
# onnx 1.23.2. The zero point of A in ONNX's MatMulInteger may be a vector with one value for each of A's rows
# (MatMulInteger-10, "[zp_1, zp_2, ..., zp_M]"), and so may the scale and the zero point of QLinearMatMul. onnx.reference
# subtracts the vector along the last axis, from the columns: of a square matrix another product is computed without a word, of
# others numpy refuses the shapes. OpenVINO 2026.4.1 computes what the specification says; onnxruntime 1.32.0 loads such a file
# and refuses to run it.
# Seen, of the rows (1, 2) and (3, 4) with zero points 1 and 3, times the identity:
#   specification and OpenVINO: [[0, 1], [0, 1]]
#   onnx.reference: [[0, -1], [2, 1]]
#   onnx.reference, rows of three: ValueError
# Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install onnx==1.23.2 openvino==2026.4.1 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnx
import openvino
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

ZEROS = np.array([1, 3], np.uint8)


def model_of(columns: int) -> onnx.ModelProto:
    constants = {"b": np.eye(columns, dtype=np.uint8), "zeros": ZEROS}
    a = helper.make_tensor_value_info("a", TensorProto.UINT8, [2, columns])
    y = helper.make_tensor_value_info("y", TensorProto.INT32, [2, columns])
    node = helper.make_node("MatMulInteger", ["a", "b", "zeros"], ["y"])
    graph = helper.make_graph([node], "g", [a], [y], [numpy_helper.from_array(value, name) for name, value in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 10)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def referred(columns: int) -> list[list[int]] | str:
    rows = np.arange(1, 1 + 2 * columns, dtype=np.uint8).reshape(2, columns)
    try:
        return ReferenceEvaluator(model_of(columns)).run(None, {"a": rows})[0].tolist()
    except ValueError as error:
        return type(error).__name__


square = np.array([[1, 2], [3, 4]], np.uint8)
core = openvino.Core()
vino = core.compile_model(core.read_model(model_of(2).SerializeToString()), "CPU")({"a": square})[0].tolist()
right = (square.astype(int) - ZEROS[:, None]).tolist()
print("specification and OpenVINO:", right if vino == right else (right, vino))
print("onnx.reference:", referred(2))
print("onnx.reference, rows of three:", referred(3))
seen = vino == right == [[0, 1], [0, 1]] and referred(2) == [[0, -1], [2, 1]] and referred(3) == "ValueError"
raise SystemExit(0 if seen else "onnx or OpenVINO has changed")
PYTHON
