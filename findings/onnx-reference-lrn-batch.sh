#!/usr/bin/env bash
# onnx 1.23.2. onnx.reference's LRN counts the channels that it normalises by the batch: its loop over channels ends at
# x.shape[0] where x.shape[1] is meant. So of one image only the first channel is normalised, the others are returned as
# they came; with as many images as channels all is right, and with more it is an IndexError. onnxruntime 1.32.0 computes
# what the specification says. The example of the specification's own tests has five images of five channels.
# Seen, for 6 channels (share of values that agree with the specification):
#   1 image: onnxruntime 100 %, onnx.reference 17 %
#   3 images: onnxruntime 100 %, onnx.reference 50 %
#   6 images: onnxruntime 100 %, onnx.reference 100 %
#   7 images: IndexError: index 6 is out of bounds for axis 1 with size 6
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
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

CHANNELS, SIZE, ALPHA, BETA, BIAS = 6, 3, 0.5, 0.75, 1.0


def network(images: int) -> onnx.ModelProto:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [images, CHANNELS, 4, 4]) for name in "xy")
    node = helper.make_node("LRN", ["x"], ["y"], size=SIZE, alpha=ALPHA, beta=BETA, bias=BIAS)
    model = helper.make_model(helper.make_graph([node], "g", [x], [y]), opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def by_specification(x: np.ndarray) -> np.ndarray:
    padded = np.pad(x**2, ((0, 0), (SIZE // 2, SIZE // 2), (0, 0), (0, 0)))
    sums = sum(padded[:, i : i + CHANNELS] for i in range(SIZE))
    return x / (BIAS + ALPHA / SIZE * sums) ** BETA


for images, seen in ((1, 17), (3, 50), (6, 100), (7, None)):
    x = np.random.default_rng(0).uniform(1, 3, (images, CHANNELS, 4, 4)).astype(np.float32)
    model, right = network(images), by_specification(x)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    try:
        answers = {"onnxruntime": session.run(None, {"x": x})[0], "onnx.reference": ReferenceEvaluator(model).run(None, {"x": x})[0]}
    except IndexError as error:
        print(f"{images} images: IndexError: {error}")
        if seen is not None:
            raise SystemExit("onnx.reference has changed") from None
        continue
    shares = {name: round(100 * np.isclose(answer, right, rtol=1e-5).mean()) for name, answer in answers.items()}
    print(f"{images} image{'s' * (images > 1)}:", ", ".join(f"{name} {share} %" for name, share in shares.items()))
    if shares != {"onnxruntime": 100, "onnx.reference": seen}:
        raise SystemExit("onnx.reference or onnxruntime has changed")
PYTHON
