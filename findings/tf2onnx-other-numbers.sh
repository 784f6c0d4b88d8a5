#!/usr/bin/env bash
# tf2onnx 1.17.0 with tensorflow-cpu 2.21.0 and onnxruntime 1.32.0. Three operations are converted without a warning to ONNX
# operators that mean something else:
#   a // b of integers rounds down, ONNX's Div of integers towards 0 (and a % b is made of it);
#   tf.one_hot has no 1 for -1, the usual "no class", ONNX's OneHot counts -1 from the end and sets the last class;
#   tf.image.resize(method="area") averages, the Resize written for it interpolates between neighbours of some pixels.
# Seen:
#   -7 // 2 and -7 % 2: TensorFlow [-4, 1], ONNX [-3, -1]
#   one_hot(-1, 3): TensorFlow [0.0, 0.0, 0.0], ONNX [0.0, 0.0, 1.0]
#   area, 0 0 0 100 to one pixel: TensorFlow [25.0], ONNX [0.0]
# Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install tf2onnx==1.17.0 tensorflow-cpu==2.21.0 onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PYTHON'
from collections.abc import Callable

import numpy as np
import onnxruntime
import tensorflow as tf
import tf2onnx


def both(function: Callable[[tf.Tensor], tf.Tensor], value: np.ndarray) -> tuple[list[float], list[float]]:
    """What TensorFlow answers, and onnxruntime from the converted function, without optimisations."""
    signature = [tf.TensorSpec(value.shape, tf.as_dtype(value.dtype), name="x")]
    traced = tf.function(function, input_signature=signature, autograph=False)
    model, _ = tf2onnx.convert.from_function(traced, input_signature=signature, opset=18)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return traced(value).numpy().ravel().tolist(), session.run(None, {"x": value})[0].ravel().tolist()


row = np.array([0, 0, 0, 100], np.float32).reshape(1, 1, 4, 1)
found = {
    "-7 // 2 and -7 % 2": both(lambda x: tf.concat([x // 2, x % 2], 0), np.array([-7], np.int32)),
    "one_hot(-1, 3)": both(lambda x: tf.one_hot(x, 3), np.array([-1], np.int32)),
    "area, 0 0 0 100 to one pixel": both(lambda x: tf.image.resize(x, (1, 1), method="area"), row),
}
for what, (right, converted) in found.items():
    print(f"{what}: TensorFlow {right}, ONNX {converted}")
seen = [([-4, 1], [-3, -1]), ([0, 0, 0], [0, 0, 1]), ([25], [0])]
raise SystemExit(0 if list(found.values()) == seen else "tf2onnx, TensorFlow or onnxruntime has changed")
PYTHON
