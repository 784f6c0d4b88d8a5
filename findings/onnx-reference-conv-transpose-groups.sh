#!/usr/bin/env bash
# onnx 1.23.2. onnx.reference computes ConvTranspose in groups only if each group answers with one channel. With two or more it
# copies a group's channels into one place and raises ValueError, for a file that onnx.checker accepts and whose shapes onnx's own
# inference knows; a depthwise one, which the specification's tests have, is right. onnxruntime 1.32.0 computes both.
# Seen, of 4 channels of 3 x 3 pixels of 1, kernels of 3 x 3 ones (largest value):
#   4 groups of 1 channel: onnxruntime 9.0, onnx.reference 9.0
#   2 groups of 2 channels: onnxruntime 18.0, onnx.reference ValueError: could not broadcast input array ...
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
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

FEEDS = {"x": np.ones((1, 4, 3, 3), np.float32)}


def model_of(groups: int) -> onnx.ModelProto:
    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], group=groups)
    weights = numpy_helper.from_array(np.ones((4, 4 // groups, 3, 3), np.float32), "w")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 3, 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 5, 5])
    graph = helper.make_graph([node], "g", [x], [y], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


def of_onnxruntime(model: onnx.ModelProto) -> np.ndarray:
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, FEEDS)[0]


right, depthwise = of_onnxruntime(model_of(4)), ReferenceEvaluator(model_of(4)).run(None, FEEDS)[0]
print(f"4 groups of 1 channel: onnxruntime {right.max()}, onnx.reference {depthwise.max()}")
try:
    ReferenceEvaluator(model_of(2)).run(None, FEEDS)
except ValueError as error:
    print(f"2 groups of 2 channels: onnxruntime {of_onnxruntime(model_of(2)).max()}, onnx.reference ValueError: {error}")
else:
    raise SystemExit("onnx has changed")
raise SystemExit(0 if np.array_equal(right, depthwise) else "onnx or onnxruntime has changed")
PYTHON
