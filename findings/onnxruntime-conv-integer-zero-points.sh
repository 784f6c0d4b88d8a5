#!/usr/bin/env bash
# onnxruntime 1.32.0. The zero point of ConvInteger's weights may be one for each output channel (ConvInteger-10: "If it's a 1-D
# tensor, its number of elements should be equal to the number of output channels"). onnxruntime has one for the whole tensor
# alone. It loads a file with a vector all the same, and refuses each request, also if all elements are alike; MatMulInteger takes
# a vector. So a server that has loaded the model, and says that it is ready, cannot answer. OpenVINO 2026.4.1 and onnx.reference
# of onnx 1.23.2 compute it.
# Seen, of a pixel of 1, weights of 5 and 7, zero points of 2 and 3:
#   ConvInteger: onnx.reference [3, 4], OpenVINO [3, 4], onnxruntime loads it and fails when it runs
#   MatMulInteger: onnx.reference [3, 4], OpenVINO [3, 4], onnxruntime [3, 4]
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


def model_of(operator: str) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    ones = (1, 1) if operator == "ConvInteger" else ()
    node = helper.make_node(operator, ["x", "w", "x_zero", "w_zero"], ["y"])
    weights = np.array([5, 7], np.uint8).reshape((2, 1, 1, 1) if ones else (1, 2))
    values = {"w": weights, "x_zero": np.array(0, np.uint8), "w_zero": np.array([2, 3], np.uint8)}
    constants = [numpy_helper.from_array(value, name) for name, value in values.items()]
    x = helper.make_tensor_value_info("x", TensorProto.UINT8, [1, 1, *ones])
    y = helper.make_tensor_value_info("y", TensorProto.INT32, [1, 2, *ones])
    graph = helper.make_graph([node], "g", [x], [y], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model, {"x": np.ones((1, 1, *ones), np.uint8)}


def of_openvino(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> np.ndarray:
    core = openvino.Core()
    return core.compile_model(core.read_model(model.SerializeToString()), "CPU")(feeds)[0]


onnxruntime.set_default_logger_severity(4)
seen = True
for operator in ("ConvInteger", "MatMulInteger"):
    model, feeds = model_of(operator)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    try:
        ort = str(session.run(None, feeds)[0].ravel().tolist())
    except Exception as error:
        seen &= "Non per-tensor quantization is not supported" in str(error)
        ort = "loads it and fails when it runs"
    reference, vino = ReferenceEvaluator(model).run(None, feeds)[0].ravel().tolist(), of_openvino(model, feeds).ravel().tolist()
    print(f"{operator}: onnx.reference {reference}, OpenVINO {vino}, onnxruntime {ort}")
    seen &= reference == vino == [3, 4] and ort == ("[3, 4]" if operator == "MatMulInteger" else "loads it and fails when it runs")
raise SystemExit(0 if seen else "OpenVINO, onnxruntime or onnx has changed")
PYTHON
