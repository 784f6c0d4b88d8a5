#!/usr/bin/env bash
# OpenVINO 2026.4.1. A QuantizeLinear followed by its DequantizeLinear rounds to steps of the scale and saturates at the ends of
# the type. Of uint8 and int8 OpenVINO computes that; of uint16 and int16 (operator set 21), which networks use where 8 bits are
# too few, it takes the pair out, though it is no identity: nothing is rounded and nothing saturates. So what a 16-bit
# quantization costs cannot be measured with it, and a file that clips by its type does not clip. onnxruntime 1.32.0 and
# onnx.reference of onnx 1.23.2 compute both. Seen, for 0.34, 1.6 and 70000 by steps of 1, times 2:
#   int8: onnxruntime [0.0, 4.0, 254.0], OpenVINO [0.0, 4.0, 254.0]
#   int16: onnxruntime [0.0, 4.0, 65534.0], OpenVINO [0.68, 3.2, 140000.0]
#   uint16: onnxruntime [0.0, 4.0, 131070.0], OpenVINO [0.68, 3.2, 140000.0]
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

FEEDS = {"x": np.array([0.34, 1.6, 70000], np.float32)}


def model_of(kind: type[np.generic]) -> onnx.ModelProto:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"]),
        helper.make_node("Mul", ["d", "two"], ["y"]),
    ]
    values = {"scale": np.float32(1), "zero": kind(0), "two": np.float32(2)}
    constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [3]) for name in "xy")
    graph = helper.make_graph(nodes, "g", [x], [y], constants)
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
for kind, changed in ((np.int8, False), (np.int16, True), (np.uint16, True)):
    model = model_of(kind)
    ort, vino = of_onnxruntime(model, FEEDS), of_openvino(model, FEEDS)
    print(f"{kind.__name__}: onnxruntime {ort.tolist()}, OpenVINO {vino.round(3).astype(float).round(3).tolist()}")
    seen &= np.array_equal(ort, ReferenceEvaluator(model).run(None, FEEDS)[0]) and ort.tolist()[:2] == [0, 4]
    seen &= np.allclose(vino, 2 * FEEDS["x"] if changed else ort)
raise SystemExit(0 if seen else "OpenVINO, onnxruntime or onnx has changed")
PYTHON
