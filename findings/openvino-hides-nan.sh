#!/usr/bin/env bash
# OpenVINO 2026.4.1. NaN, by which one sees that a network or its input is broken, ends at its first Relu or Clip on a CPU: Relu
# of NaN is 0, Clip of NaN the minimum, and all that follows is finite and looks like an answer. Max keeps a NaN of its second
# input and drops one of its first, and Cast to bool makes it False ("+/- 0.0 to False; all else to True", Cast-13). onnxruntime
# 1.32.0 and onnx.reference of onnx 1.23.2 keep NaN in the first three and answer True to the last. A check that served answers
# are finite finds nothing once the runtime is changed.
# Seen:
#   Relu(NaN): onnxruntime nan, OpenVINO 0.0
#   Clip(NaN, 1, 6): onnxruntime nan, OpenVINO 1.0
#   Max(NaN, 1): onnxruntime nan, OpenVINO 1.0
#   Max(1, NaN): onnxruntime nan, OpenVINO nan
#   Cast(NaN) to bool: onnxruntime True, OpenVINO False
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
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

NAN = np.array([np.nan], np.float32)


def answers(operator: str, inputs: list[str], kind: int, **attributes: int) -> list[str]:
    """Of onnxruntime, onnx.reference and OpenVINO."""
    x, y = helper.make_tensor_value_info("nan", TensorProto.FLOAT, [1]), helper.make_tensor_value_info("y", kind, [1])
    constants = [numpy_helper.from_array(np.float32(value), name) for name, value in (("one", 1), ("six", 6)) if name in inputs]
    graph = helper.make_graph([helper.make_node(operator, inputs, ["y"], **attributes)], "g", [x], [y], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = session.run(None, {"nan": NAN})[0], ReferenceEvaluator(model).run(None, {"nan": NAN})[0], compiled({"nan": NAN})[0]
    return [str(answer.item()) for answer in found]


for name, asked, attributes, right, wrong in (
    ("Relu(NaN)", ("Relu", ["nan"], TensorProto.FLOAT), {}, "nan", "0.0"),
    ("Clip(NaN, 1, 6)", ("Clip", ["nan", "one", "six"], TensorProto.FLOAT), {}, "nan", "1.0"),
    ("Max(NaN, 1)", ("Max", ["nan", "one"], TensorProto.FLOAT), {}, "nan", "1.0"),
    ("Max(1, NaN)", ("Max", ["one", "nan"], TensorProto.FLOAT), {}, "nan", "nan"),
    ("Cast(NaN) to bool", ("Cast", ["nan"], TensorProto.BOOL), {"to": TensorProto.BOOL}, "True", "False"),
):
    runtime, reference, vino = answers(*asked, **attributes)
    print(f"{name}: onnxruntime {runtime}, OpenVINO {vino}")
    if (runtime, reference, vino) != (right, right, wrong):
        raise SystemExit("OpenVINO, onnxruntime or onnx has changed")
PYTHON
