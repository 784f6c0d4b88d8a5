#!/usr/bin/env bash
# OpenVINO 2026.4.1. ONNX's AveragePool with count_include_pad=1 counts the pixels of the padding as zeros. Between a
# DequantizeLinear and a QuantizeLinear OpenVINO averages the quantized values, and its padding is the quantized 0, which stands
# for minus the zero point times the scale: with a zero point of 128, as uint8 activations of both signs have, the borders of every
# picture are as if they had been padded with the lowest value there is. With a zero point of 0 it is right. onnxruntime 1.32.0
# and onnx.reference of onnx 1.23.2 agree.
# Seen with AVX-512, of four pixels of 40 by steps of 1, windows of 2 by steps of 2, a pixel of padding on both sides:
#   zero point 0: onnxruntime [20.0, 40.0, 20.0], OpenVINO [20.0, 40.0, 20.0]
#   zero point 128: onnxruntime [20.0, 40.0, 20.0], OpenVINO [-44.0, 40.0, -44.0]
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

FEEDS = {"x": np.full((1, 1, 1, 4), 40, np.float32)}


def model_of(zero_point: int) -> onnx.ModelProto:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "scale", "zero"], ["xd"]),
        helper.make_node(
            "AveragePool", ["xd"], ["r"], kernel_shape=[1, 2], strides=[1, 2], pads=[0, 1, 0, 1], count_include_pad=1
        ),
        helper.make_node("QuantizeLinear", ["r", "scale", "zero"], ["rq"]),
        helper.make_node("DequantizeLinear", ["rq", "scale", "zero"], ["y"]),
    ]
    values = {"scale": np.float32(1), "zero": np.uint8(zero_point)}
    constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 1, 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 1, 3])
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
for zero_point in (0, 128):
    model = model_of(zero_point)
    ort, vino = (run(model, FEEDS).ravel().tolist() for run in (of_onnxruntime, of_openvino))
    print(f"zero point {zero_point}: onnxruntime {ort}, OpenVINO {vino}")
    seen &= ort == [20, 40, 20] == ReferenceEvaluator(model).run(None, FEEDS)[0].ravel().tolist()
    seen &= vino == ort if zero_point == 0 else vino[0] < 0 and vino[2] < 0
raise SystemExit(0 if seen else "OpenVINO, onnxruntime or onnx has changed")
PYTHON
