#!/usr/bin/env bash
# onnxruntime 1.32.0 and tensorflow-cpu 2.21.0 with numpy 2.4.6, on a little-endian processor. An array of dtype ">f4", as
# netCDF, FITS, IDX and np.frombuffer of network data give it, holds the numbers 1, 2, 3 for numpy and for whatever takes
# numpy's arrays: tf.constant, safetensors and h5py swap its bytes, onnx.numpy_helper refuses it. InferenceSession.run,
# OrtValue.ortvalue_from_numpy and tf.make_tensor_proto, with which requests to TensorFlow Serving are written, take the bytes
# as they lie, and other numbers are computed with or sent, without a word. With dtype=tf.float32 make_tensor_proto is right.
# Seen:
#   numpy: [1. 2. 3.]
#   onnxruntime, Identity: [4.6006e-41 8.9683e-44 2.3049e-41]
#   tf.constant: [1. 2. 3.]
#   tf.make_tensor_proto: [4.6006e-41 8.9683e-44 2.3049e-41]
# Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install onnxruntime==1.32.0 tensorflow-cpu==2.21.0 onnx==1.23.2 numpy==2.4.6
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnxruntime
import tensorflow as tf
from onnx import TensorProto, helper

x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [3]) for name in "xy")
graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [x], [y])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])

numbers = np.frombuffer(np.array([1, 2, 3], ">f4").tobytes(), ">f4")
right = {
    "numpy": numbers,
    "tf.constant": tf.constant(numbers).numpy(),
    "tf.make_tensor_proto, dtype=tf.float32": tf.make_ndarray(tf.make_tensor_proto(numbers, dtype=tf.float32)),
}
wrong = {
    "onnxruntime, Identity": session.run(None, {"x": numbers})[0],
    "onnxruntime, OrtValue": onnxruntime.OrtValue.ortvalue_from_numpy(numbers).numpy(),
    "tf.make_tensor_proto": tf.make_ndarray(tf.make_tensor_proto(numbers)),
}
for name, answer in {**right, **wrong}.items():
    print(f"{name}: {answer}")
seen = all(answer.tolist() == [1, 2, 3] for answer in right.values())
seen &= all(np.array_equal(answer, numbers.view("<f4")) for answer in wrong.values())
raise SystemExit(0 if seen else "onnxruntime, TensorFlow or numpy has changed")
PYTHON
