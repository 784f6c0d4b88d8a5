#!/usr/bin/env bash
# ai-edge-litert 2.3.0, with files of tensorflow-cpu 2.21.0's converter. The kernels that OpResolverType.BUILTIN_REF chooses,
# "reference kernel implementation ... generally used for testing and debugging", add int8 wrongly: tf.reduce_sum of a quantized
# tensor comes out with other numbers, of another sign even, than its values say, while the optimized kernels, with the XNNPACK
# delegate and without, are right. Mean, maximum and minimum of the same tensor are right with all. So who judges a port of LiteRT
# by the reference kernels finds a fault where none is. Seen, of int8 steps of 1/127.5 (input) and 4/127.5 (sum), zero points -1:
#   sum of [-100, -24, 51, 127]: as the values say 14, reference -114, optimized 14, XNNPACK 14
#   mean of [-100, -24, 51, 127]: as the values say 14, reference 14, optimized 14, XNNPACK 14
# Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install ai-edge-litert==2.3.0 tensorflow-cpu==2.21.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType

KERNELS = {
    "reference": OpResolverType.BUILTIN_REF,
    "optimized": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    "XNNPACK": OpResolverType.AUTO,
}
VALUES = np.array([[-100, -24, 51, 127]], np.int8)


def quantized(operation) -> bytes:
    function = tf.function(lambda x: operation(x, 1), input_signature=[tf.TensorSpec((1, 4))], autograph=False)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], function)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([np.full((1, 4), value, np.float32)] for value in (-1, 1))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def run(model: bytes, kernels: OpResolverType) -> tuple[int, int]:
    """The answer, and what the quantization of input and output makes of the values in float64."""
    interpreter = Interpreter(model_content=model, experimental_op_resolver_type=kernels)
    interpreter.allocate_tensors()
    x, y = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    interpreter.set_tensor(x["index"], VALUES)
    interpreter.invoke()
    (x_scale, x_zero), (y_scale, y_zero) = x["quantization"], y["quantization"]
    total = ((VALUES.astype(int) - x_zero) * x_scale).sum() / (1 if y_scale > 2 * x_scale else 4)
    return int(interpreter.get_tensor(y["index"])[0]), round(total / y_scale + y_zero)


seen = True
for name, operation in (("sum", tf.reduce_sum), ("mean", tf.reduce_mean)):
    model = quantized(operation)
    answers = {kernels: run(model, resolver) for kernels, resolver in KERNELS.items()}
    right = answers["XNNPACK"][1]
    told = ", ".join(f"{kernels} {answer}" for kernels, (answer, _) in answers.items())
    print(f"{name} of {VALUES[0].tolist()}: as the values say {right}, {told}")
    off = {kernels for kernels, (answer, _) in answers.items() if abs(answer - right) > 1}
    seen &= off == ({"reference"} if name == "sum" else set())
raise SystemExit(0 if seen else "LiteRT has changed")
PYTHON
