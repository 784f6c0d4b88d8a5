#!/usr/bin/env bash
# tf2onnx 1.17.0 with Keras 3.15.1 and tensorflow-cpu 2.21.0. `python -m tf2onnx.convert --keras` writes the outputs of a model
# sorted by the names of their layers, and calls them Identity, Identity_1, ...: who takes outputs by position gets
# another one than from the model, in silence if their shapes agree. tf2onnx.convert.from_keras of the same model keeps
# the order and the names. Seen, of a model that answers "score" of 2 values and then "area" of 3:
#   Keras:         [('score', 2), ('area', 3)]
#   convert --keras: [('Identity:0', 3), ('Identity_1:0', 2)]
#   from_keras:    [('score', 2), ('area', 3)]
# Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install tf2onnx==1.17.0 keras==3.15.1 tensorflow-cpu==2.21.0 onnx==1.23.2 numpy==2.4.6
cd "$folder"
TF_CPP_MIN_LOG_LEVEL=3 KERAS_BACKEND=tensorflow venv/bin/python - <<'PYTHON'
import subprocess
import sys

import keras
import onnx
import tf2onnx


def outputs(model: onnx.ModelProto) -> list[tuple[str, int]]:
    return [(output.name, output.type.tensor_type.shape.dim[-1].dim_value) for output in model.graph.output]


image = keras.Input((4,), name="image")
answers = [keras.layers.Dense(2, name="score")(image), keras.layers.Dense(3, name="area")(image)]
model = keras.Model(image, answers)
model.save("model.keras")
subprocess.run([sys.executable, "-m", "tf2onnx.convert", "--keras", "model.keras", "--output", "model.onnx"], check=True, capture_output=True)
of_file = outputs(onnx.load("model.onnx"))
of_object = outputs(tf2onnx.convert.from_keras(model)[0])
of_keras = [(name, output.shape[-1]) for name, output in zip(model.output_names, model.outputs)]
print("Keras:", of_keras)
print("convert --keras:", of_file)
print("from_keras:", of_object)
if of_object != of_keras or of_file != [("Identity:0", 3), ("Identity_1:0", 2)]:
    raise SystemExit("tf2onnx orders or names outputs otherwise")
PYTHON
