#!/usr/bin/env bash
# OpenVINO 2026.4.1 and onnxruntime 1.32.0. ONNX's LRN sums the squares of the channels from c - floor((size - 1) / 2) to
# c + ceil((size - 1) / 2) (LRN-13): size of them, also where size is even, with the odd one after c. OpenVINO leaves the odd one
# out: with size 2 no neighbour is in the sum at all, while it still divides by 2. onnxruntime refuses every even size when it
# loads the file, which onnx.checker accepts. The paper's size is 5; PyTorch's LocalResponseNorm takes even sizes.
# Seen, of the sum for the channels 1, 2, 3, 4 (alpha is size, beta 1, bias 0):
#   size 2: specification [5, 13, 25, 16], OpenVINO [1, 4, 9, 16], onnxruntime refuses
#   size 3: specification [5, 14, 29, 25], OpenVINO [5, 14, 29, 25], onnxruntime [5, 14, 29, 25]
#   size 4: specification [14, 30, 29, 25], OpenVINO [5, 14, 29, 25], onnxruntime refuses
# Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install openvino==2026.4.1 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper

CHANNELS = np.array([1, 2, 3, 4], np.float32)
FEEDS = {"x": CHANNELS.reshape(1, 4, 1, 1)}


def model_of(size: int) -> onnx.ModelProto:
    node = helper.make_node("LRN", ["x"], ["y"], size=size, alpha=float(size), beta=1.0, bias=0.0)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4, 1, 1]) for name in "xy")
    graph = helper.make_graph([node], "g", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


def of_specification(size: int) -> list[int]:
    before, after = (size - 1) // 2, size // 2
    return [int((CHANNELS[max(0, c - before) : c + after + 1] ** 2).sum()) for c in range(4)]


def of_onnxruntime(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, feeds)[0]


def of_openvino(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> np.ndarray:
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled(feeds)[0]


def sums(answer: np.ndarray) -> list[int]:
    return np.rint(CHANNELS / answer.ravel()).astype(int).tolist()


seen = True
for size, wrong in ((2, [1, 4, 9, 16]), (3, [5, 14, 29, 25]), (4, [5, 14, 29, 25])):
    model, right = model_of(size), of_specification(size)
    vino = sums(of_openvino(model, FEEDS))
    try:
        ort = f"onnxruntime {sums(of_onnxruntime(model, FEEDS))}"
    except Exception as error:
        seen &= "size" in str(error)
        ort = "onnxruntime refuses"
    print(f"size {size}: specification {right}, OpenVINO {vino}, {ort}")
    seen &= vino == wrong and ort == (f"onnxruntime {right}" if size % 2 else "onnxruntime refuses")
raise SystemExit(0 if seen else "OpenVINO, onnxruntime or onnx has changed")
PYTHON
