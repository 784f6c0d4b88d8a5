#!/usr/bin/env bash
# ai-edge-litert 2.3.0, with files of tensorflow-cpu 2.21.0's converter, on x86. What lies half-way between two quantized steps
# goes another way with each set of kernels that a file may meet. QUANTIZE rounds halves away from zero with the reference kernels
# and to even with XNNPACK, the default; the optimized kernels round to even in blocks of eight and away from zero in what is left
# over, so that the same number in one tensor becomes two. The MEAN of int8 rounds them up without XNNPACK and to even with it,
# AVERAGE_POOL_2D away from zero with all. LiteRT's specification of 8-bit quantization names no rounding. Means of two, four or
# eight values lie half-way often.
# Seen:
#   QUANTIZE of ten times 0.5 by steps of 1:
#     reference [1, 1, 1, 1, 1, 1, 1, 1, 1, 1], optimized [0, 0, 0, 0, 0, 0, 0, 0, 1, 1], XNNPACK [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
#   MEAN of (1, 2), (2, 3), (-1, -2), (-2, -3):
#     reference [2, 3, -1, -2], optimized [2, 3, -1, -2], XNNPACK [2, 2, -2, -2]
#   AVERAGE_POOL_2D of the same:
#     reference [2, 3, -2, -3], optimized [2, 3, -2, -3], XNNPACK [2, 3, -2, -3]
# Exits with 0 while that is so, and with 77 on other processors than x86.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install ai-edge-litert==2.3.0 tensorflow-cpu==2.21.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import os
import platform

if platform.machine() not in ("x86_64", "AMD64"):
    raise SystemExit(77)
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType

KERNELS = {
    "reference": OpResolverType.BUILTIN_REF,
    "optimized": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    "XNNPACK": OpResolverType.AUTO,
}
PAIRS = np.array([[1, 2], [2, 3], [-1, -2], [-2, -3]], np.int8).reshape(4, 2, 1, 1)
HALVES = np.full((1, 10), 0.5, np.float32)


def quantized(function, shape: tuple[int, ...], kind: tf.DType) -> bytes:
    """A file whose tensors are int8 with steps of 1 and a zero point of 0: it was calibrated with -128 to 127."""
    function = tf.function(function, input_signature=[tf.TensorSpec(shape)], autograph=False)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], function)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([np.full(shape, value, np.float32)] for value in (-128, 127))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = kind
    return converter.convert()


def run(model: bytes, kernels: OpResolverType, x: np.ndarray) -> list[int]:
    interpreter = Interpreter(model_content=model, experimental_op_resolver_type=kernels)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).ravel().astype(int).tolist()


def same(x: tf.Tensor) -> tf.Tensor:
    return tf.nn.max_pool1d(x[..., None], 1, 1, "VALID")[..., 0]


away, even, up = [2, 3, -2, -3], [2, 2, -2, -2], [2, 3, -1, -2]
CASES = {
    "QUANTIZE of ten times 0.5 by steps of 1:": (
        quantized(same, HALVES.shape, tf.float32),
        HALVES,
        ([1] * 10, [0] * 8 + [1] * 2, [0] * 10),
    ),
    "MEAN of (1, 2), (2, 3), (-1, -2), (-2, -3):": (
        quantized(lambda x: tf.reduce_mean(x, [1, 2]), PAIRS.shape, tf.int8),
        PAIRS,
        (up, up, even),
    ),
    "AVERAGE_POOL_2D of the same:": (
        quantized(lambda x: tf.nn.avg_pool2d(x, [2, 1], [2, 1], "VALID"), PAIRS.shape, tf.int8),
        PAIRS,
        (away, away, away),
    ),
}
seen = True
for title, (model, x, expected) in CASES.items():
    answers = {name: run(model, kernels, x) for name, kernels in KERNELS.items()}
    print(f"{title}\n  " + ", ".join(f"{name} {answer}" for name, answer in answers.items()))
    seen &= tuple(answers.values()) == expected
raise SystemExit(0 if seen else "LiteRT has changed")
PYTHON
