#!/usr/bin/env bash
# OpenVINO 2026.4.1. It does not read the attribute antialias of ONNX's Resize (operator set 18): a network that shrinks its
# pictures with the filter it was trained with loads, and is answered as if it had none. Nothing is refused or logged, although
# OpenVINO's own preprocessing has such filters (BILINEAR_PILLOW, BICUBIC_PILLOW). onnxruntime 1.32.0 and onnx.reference of
# onnx 1.23.2 read it, and agree.
# Seen, for stripes, four pixels of 0 and four of 100, at a tenth of their width:
#   linear: onnxruntime between 40 and 60, OpenVINO between 0 and 100, as without antialias: True
#   cubic: onnxruntime between 40 and 60, OpenVINO between -11 and 111, as without antialias: True
# Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install openvino==2026.4.1 onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
import openvino as ov
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

WIDTH, SHRUNK = 192, 19
stripes = np.tile(np.repeat(np.array([0, 100], np.float32), 4), WIDTH // 8).reshape(1, 1, 1, WIDTH)


def network(mode: str, *, antialias: int) -> onnx.ModelProto:
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 1, 1, w]) for n, w in (("x", WIDTH), ("y", SHRUNK)))
    node = helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], mode=mode, antialias=antialias)
    sizes = numpy_helper.from_array(np.array([1, 1, 1, SHRUNK]), "sizes")
    model = helper.make_model(helper.make_graph([node], "g", [x], [y], [sizes]), opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def by_onnxruntime(model: onnx.ModelProto) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": stripes})[0].ravel()


def by_openvino(model: onnx.ModelProto) -> np.ndarray:
    core = ov.Core()
    network = core.compile_model(core.read_model(model.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return network(stripes)[0].ravel()


for mode in ("linear", "cubic"):
    model = network(mode, antialias=1)
    right, found = by_onnxruntime(model), by_openvino(model)
    reference = ReferenceEvaluator(model).run(None, {"x": stripes})[0].ravel()
    ignored = np.array_equal(found, by_openvino(network(mode, antialias=0)))
    ranges = [f"between {answer.min():.0f} and {answer.max():.0f}" for answer in (right, found)]
    print(f"{mode}: onnxruntime {ranges[0]}, OpenVINO {ranges[1]}, as without antialias: {ignored}")
    if np.abs(reference - right).max() > 0.01:
        raise SystemExit("onnxruntime and onnx.reference differ")
    if not ignored or np.abs(found - right).max() < 1:
        raise SystemExit("OpenVINO has changed")
PYTHON
