#!/usr/bin/env bash
# tf2onnx 1.17.0 with tensorflow-cpu 2.21.0. An operation that it cannot convert, such as that of
# tf.image.resize(antialias=True), does not fail `python -m tf2onnx.convert`: among its log is a line "is not supported", the
# last ones say "Successfully converted", the exit code is 0, and the file has a node of TensorFlow's name in ONNX's own domain,
# which nothing can load. All that without --continue_on_error, which is about exceptions of what converts an operator; where
# nothing converts it there is none. tf2onnx.convert.from_function returns such a model, too.
# Seen:
#   exit code 0, "Successfully converted TensorFlow model", operators: ScaleAndTranslate
#   onnx.checker: No Op registered for ScaleAndTranslate with domain_version of 18
# Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install tf2onnx==1.17.0 tensorflow-cpu==2.21.0 onnx==1.23.2 numpy==2.4.6
cd "$folder"
TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python - <<'PYTHON'
import subprocess
import sys

import onnx
import tensorflow as tf


class Shrinking(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([1, 8, 8, 3], tf.float32, name="image")])
    def __call__(self, image: tf.Tensor) -> tf.Tensor:
        return tf.image.resize(image, (4, 4), antialias=True)


model = Shrinking()
tf.saved_model.save(model, "saved", signatures=model.__call__)
command = [sys.executable, "-m", "tf2onnx.convert", "--saved-model", "saved", "--output", "model.onnx", "--opset", "18"]
done = subprocess.run(command, capture_output=True, text=True)
success = "Successfully converted TensorFlow model"
converted = onnx.load("model.onnx")
operators = {node.op_type for node in converted.graph.node}
print(f'exit code {done.returncode}, "{success}", operators: {", ".join(sorted(operators))}')
if done.returncode or success not in done.stderr or "ScaleAndTranslate" not in operators:
    raise SystemExit("tf2onnx has changed")
try:
    onnx.checker.check_model(converted)
except onnx.checker.ValidationError as error:
    print("onnx.checker:", str(error).splitlines()[0])
else:
    raise SystemExit("onnx knows the operator")
PYTHON
