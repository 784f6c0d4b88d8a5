#!/usr/bin/env bash
# onnxruntime 1.32.0. A QDQ file may leave a layer's weights in float32, between activations that are quantized: an 8-bit
# tensor is not good enough for them. onnxruntime's graph optimiser (WeightBiasQuantization, on by default, from the level
# called basic on, where documentation promises "semantics-preserving" rewrites) quantizes them all the same, weights of Conv
# and Gemm to int8 with one scale and zero point for the whole tensor, and biases to int32 with the scale of the products,
# where what does not fit is cut off. Nothing is logged. session.disable_quant_qdq or disabled_optimizers keep the file's
# arithmetic; MatMul is left alone.
# Seen, of an image whose channels are 1 and 0:
#   float weights 0.3 and 0.2 beside an unused 300: as the file says [0.3 0.2], by default [0. 0.]
#   float bias 1 and 1, scales of weights 0.01 and 1e-08: as the file says [1. 1.], by default [1. 0.]
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
from onnx import TensorProto, helper, numpy_helper

image = np.array([1, 0], np.float32).reshape(1, 2, 1, 1)


def network(constants: dict[str, np.ndarray], *, quantized_weights: bool) -> onnx.ModelProto:
    """Conv of [1, 2, 1, 1] to [1, 2, 1, 1] between quantized activations; steps of 0.02 and 0.01."""
    steps = {"in_scale": np.float32(0.02), "out_scale": np.float32(0.01), "zero": np.uint8(0)}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "in_scale", "zero"], ["x_q"]),
        helper.make_node("DequantizeLinear", ["x_q", "in_scale", "zero"], ["x_dq"]),
        helper.make_node("Conv", ["x_dq", "w_dq" if quantized_weights else "w", "b"], ["sums"]),
        helper.make_node("QuantizeLinear", ["sums", "out_scale", "zero"], ["y_q"]),
        helper.make_node("DequantizeLinear", ["y_q", "out_scale", "zero"], ["y"]),
    ]
    if quantized_weights:
        nodes.insert(0, helper.make_node("DequantizeLinear", ["w", "w_scale", "w_zero"], ["w_dq"], axis=0))
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, image.shape) for name in "xy"]
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in {**steps, **constants}.items()]
    graph = helper.make_graph(nodes, "g", tensors[:1], tensors[1:], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def answer(model: onnx.ModelProto, **options: object) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"], **options)
    return session.run(None, {"x": image})[0].ravel().round(3)


weights = {"w": np.array([0.3, 0, 0.2, 300], np.float32).reshape(2, 2, 1, 1), "b": np.zeros(2, np.float32)}
bias = {
    "w": np.zeros((2, 2, 1, 1), np.int8),
    "w_scale": np.array([0.01, 1e-8], np.float32),
    "w_zero": np.zeros(2, np.int8),
    "b": np.ones(2, np.float32),
}
unoptimized = onnxruntime.SessionOptions()
unoptimized.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
for what, model, exact, seen in (
    ("float weights 0.3 and 0.2 beside an unused 300", network(weights, quantized_weights=False), [0.3, 0.2], [0, 0]),
    ("float bias 1 and 1, scales of weights 0.01 and 1e-08", network(bias, quantized_weights=True), [1, 1], [1, 0]),
):
    as_written, default = answer(model, sess_options=unoptimized), answer(model)
    print(f"{what}: as the file says {as_written}, by default {default}")
    if not np.allclose(as_written, exact) or not np.allclose(default, seen):
        raise SystemExit("onnxruntime has changed")
    if not np.allclose(answer(model, disabled_optimizers=["WeightBiasQuantization"]), exact):
        raise SystemExit("another optimiser does it")
PYTHON
