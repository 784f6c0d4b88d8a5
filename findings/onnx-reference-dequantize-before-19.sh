#!/usr/bin/env bash
# onnx 1.23.2. onnx.reference evaluates QuantizeLinear of operator sets 10 to 18 with onnxruntime's values, but not the
# DequantizeLinear of the same sets: its implementations begin at 19, so that it refuses to load any older QDQ model, which
# onnx.checker accepts and onnxruntime 1.32.0 runs. Seen:
#   QDQ of operator set 17: RuntimeError: No implementation for operator 'DequantizeLinear' domain '' and version 17,
#   found 19, 21, 23, 25, None.
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
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

x = np.linspace(-3, 3, 24, dtype=np.float32).reshape(2, 3, 4)


def network(opset: int, *, back: bool) -> onnx.ModelProto:
    nodes = [helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"])]
    output = helper.make_tensor_value_info("q", TensorProto.UINT8, x.shape)
    if back:
        nodes.append(helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"]))
        output = helper.make_tensor_value_info("y", TensorProto.FLOAT, x.shape)
    constants = [numpy_helper.from_array(np.float32(0.1), "scale"), numpy_helper.from_array(np.uint8(128), "zero")]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)], [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def answer(model: onnx.ModelProto) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


for opset in (10, 13, 17, 18, 19):
    for back in (False, True):
        model = network(opset, back=back)
        what = f"{'QDQ' if back else 'QuantizeLinear'} of operator set {opset}"
        judged = answer(model)
        try:
            reference = ReferenceEvaluator(model).run(None, {"x": x})[0]
        except RuntimeError as error:
            print(f"{what}: {type(error).__name__}: {error}")
            if not back or opset >= 19 or "No implementation" not in str(error):
                raise SystemExit("onnx.reference has changed") from None
        else:
            print(f"{what}: {'same' if np.array_equal(reference, judged) else 'other'} values as onnxruntime")
            if (back and opset < 19) or not np.array_equal(reference, judged):
                raise SystemExit("onnx.reference has changed")
PYTHON
