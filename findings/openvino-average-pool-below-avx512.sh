#!/usr/bin/env bash
# OpenVINO 2026.4.1. Of a quantized AveragePool, DequantizeLinear before and QuantizeLinear behind it, the answer must not depend
# on the processor. On one with AVX-512 the mean of pixels of 40 is 40. With ONEDNN_MAX_CPU_ISA=AVX2, as whoever compares
# instruction sets sets it, and with AVX2_VNNI or AVX alike, the zero point is lost on the way: with a zero point of 128, steps of
# 1, the mean is -88, and darker than any pixel. Nothing is refused or logged. A zero point of 0, GlobalAveragePool, or no
# QuantizeLinear behind it hide it. onnxruntime 1.32.0 and onnx.reference of onnx 1.23.2 agree. Seen on a Zen 4 that was held to
# AVX2, not on a processor that has no more.
# Seen, of four pixels of 40 by steps of 1, windows of 2 by steps of 2, no padding:
#   zero point 0: onnxruntime [40.0, 40.0], OpenVINO [40.0, 40.0]
#   zero point 128: onnxruntime [40.0, 40.0], OpenVINO [-88.0, -88.0]
# Exits with 0 while that is so, and with 77 on other processors than x86.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install openvino==2026.4.1 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import os
import platform

if platform.machine() not in ("x86_64", "AMD64"):
    raise SystemExit(77)
os.environ["ONEDNN_MAX_CPU_ISA"] = "AVX2"

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
        helper.make_node("AveragePool", ["xd"], ["r"], kernel_shape=[1, 2], strides=[1, 2]),
        helper.make_node("QuantizeLinear", ["r", "scale", "zero"], ["rq"]),
        helper.make_node("DequantizeLinear", ["rq", "scale", "zero"], ["y"]),
    ]
    values = {"scale": np.float32(1), "zero": np.uint8(zero_point)}
    constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 1, 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 1, 2])
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
for zero_point, wrong in ((0, 40), (128, -88)):
    model = model_of(zero_point)
    ort, vino = (run(model, FEEDS).ravel().tolist() for run in (of_onnxruntime, of_openvino))
    print(f"zero point {zero_point}: onnxruntime {ort}, OpenVINO {vino}")
    seen &= ort == [40, 40] == ReferenceEvaluator(model).run(None, FEEDS)[0].ravel().tolist() and vino == [wrong, wrong]
raise SystemExit(0 if seen else "OpenVINO, onnxruntime or onnx has changed")
PYTHON
