#!/usr/bin/env bash
# OpenVINO 2026.4.1. On a CPU it computes some operators of int32 in float32, which holds whole numbers up to 2^24
# without gaps: Equal is True for neighbours above that, Mod and Relu answer with other numbers, and the largest int32, which
# float32 rounds up, comes back from a Relu as the lowest. Add, Sub, Mul, Div, Max and Clip of the same values are exact, so that
# some sums of a network's accumulators or hashes of its ids are right and some are not. Nothing is logged, and
# INFERENCE_PRECISION_HINT, f32 here, is about floating point. onnxruntime 1.32.0 and onnx.reference of onnx 1.23.2 agree.
# Seen, of 2^24 + 1 and 2^31 - 1:
#   Equal 16777216: onnxruntime [False, False], OpenVINO [True, False]
#   Mod 2: onnxruntime [1, 1], OpenVINO [0, 0]
#   Relu: onnxruntime [16777217, 2147483647], OpenVINO [16777216, -2147483648]
#   Max 1: onnxruntime [16777217, 2147483647], OpenVINO [16777217, 2147483647]
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

FEEDS = {"x": np.array([2**24 + 1, 2**31 - 1], np.int32)}


def model_of(operator: str, operand: int | None) -> onnx.ModelProto:
    node = helper.make_node(operator, ["x"] if operand is None else ["x", "b"], ["y"])
    constants = [] if operand is None else [numpy_helper.from_array(np.array(operand, np.int32), "b")]
    x = helper.make_tensor_value_info("x", TensorProto.INT32, [2])
    y = helper.make_tensor_value_info("y", TensorProto.BOOL if operator == "Equal" else TensorProto.INT32, [2])
    graph = helper.make_graph([node], "g", [x], [y], constants)
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
for operator, operand, wrong in (
    ("Equal", 2**24, [True, False]),
    ("Mod", 2, [0, 0]),
    ("Relu", None, [2**24, -(2**31)]),
    ("Max", 1, [2**24 + 1, 2**31 - 1]),
):
    model = model_of(operator, operand)
    ort, vino = (run(model, FEEDS).tolist() for run in (of_onnxruntime, of_openvino))
    print(f"{operator}{'' if operand is None else f' {operand}'}: onnxruntime {ort}, OpenVINO {vino}")
    seen &= ort == ReferenceEvaluator(model).run(None, FEEDS)[0].tolist() and vino == wrong
    seen &= (vino == ort) == (operator == "Max")
raise SystemExit(0 if seen else "OpenVINO, onnxruntime or onnx has changed")
PYTHON
