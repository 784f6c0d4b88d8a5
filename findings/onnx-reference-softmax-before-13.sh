#!/usr/bin/env bash
# onnx 1.23.2. Before operator set 13 Softmax, LogSoftmax and Hardmax flatten their input to a matrix at `axis` and normalise
# its rows (docs/Changelog.md, Softmax-11: "will be coerced into a 2-dimensional tensor"). onnx.reference computes every
# operator set as 13, along the one axis, without a warning. onnxruntime 1.32.0 computes what the specification says.
# Seen, for rank 3 (the sum of each image's values):
#   Softmax-11, axis=1: specification and onnxruntime [1. 1.], onnx.reference [4. 4.]
# and so for LogSoftmax and Hardmax; at 13 all agree. Exits with 0 while that is so.
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

SHAPE = (2, 3, 4)
x = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)


def network(operator: str, opset: int) -> onnx.ModelProto:
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, SHAPE) for name in "xy"]
    graph = helper.make_graph([helper.make_node(operator, ["x"], ["y"], axis=1)], "g", tensors[:1], tensors[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=7)
    onnx.checker.check_model(model, full_check=True)
    return model


def by_specification(opset: int) -> np.ndarray:
    flat = x.reshape(2, -1) if opset < 13 else x
    power = np.exp(flat - flat.max(axis=1, keepdims=True))
    return (power / power.sum(axis=1, keepdims=True)).reshape(SHAPE)


for operator in ("Softmax", "LogSoftmax", "Hardmax"):
    for opset in (7, 11, 13):
        model = network(operator, opset)
        reference = ReferenceEvaluator(model).run(None, {"x": x})[0]
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        judged = session.run(None, {"x": x})[0]
        same = np.allclose(reference, judged, atol=1e-5)
        print(f"{operator}-{opset}, axis=1: onnx.reference {'agrees with' if same else 'differs from'} onnxruntime")
        if operator == "Softmax":
            sums = [np.round(y.sum(axis=(1, 2)), 4) for y in (by_specification(opset), judged, reference)]
            print("  sums of an image: specification {}, onnxruntime {}, onnx.reference {}".format(*sums))
            if not np.allclose(judged, by_specification(opset), atol=1e-5):
                raise SystemExit("onnxruntime differs from the specification")
        if same != (opset == 13):
            raise SystemExit("onnx.reference has changed")
PYTHON
