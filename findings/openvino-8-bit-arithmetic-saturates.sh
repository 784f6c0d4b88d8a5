#!/usr/bin/env bash
# OpenVINO 2026.4.1. Add, Sub and Mul of uint8 and int8 stop at the type's ends on a CPU; of 16 and 32 bits they wrap round, as
# integers of all widths do for onnxruntime 1.32.0, onnx.reference of onnx 1.23.2 and numpy. So what a file computes with bytes
# on purpose, a checksum, the difference of two pictures modulo 256 that a later Add undoes, is another number with OpenVINO,
# and only there, and only in 8 bits.
# Seen, 200 + 100 and 100 - 200:
#   uint8: onnxruntime [44, 156], OpenVINO [255, 0]
#   uint16 (65000 + 1000 and 100 - 200): onnxruntime [464, 65436], OpenVINO [464, 65436]
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
from onnx.reference import ReferenceEvaluator


def answers(operator: str, first: np.ndarray, second: np.ndarray) -> list[int]:
    """Of onnxruntime, onnx.reference, numpy and OpenVINO."""
    kind = helper.np_dtype_to_tensor_dtype(first.dtype)
    a, b, y = (helper.make_tensor_value_info(name, kind, [1]) for name in "aby")
    graph = helper.make_graph([helper.make_node(operator, ["a", "b"], ["y"])], "g", [a, b], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    feed = {"a": first, "b": second}
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    core = openvino.Core()
    vino = core.compile_model(core.read_model(model.SerializeToString()), "CPU")(feed)[0]
    numpys = first + second if operator == "Add" else first - second
    return [int(answer[0]) for answer in (session.run(None, feed)[0], ReferenceEvaluator(model).run(None, feed)[0], numpys, vino)]


def both(kind: type[np.unsignedinteger], large: int, more: int) -> tuple[list[int], list[int]]:
    """What all others answer, and OpenVINO, to large + more and 100 - 200."""
    found = [answers("Add", np.array([large], kind), np.array([more], kind)), answers("Sub", np.array([100], kind), np.array([200], kind))]
    if any(len(set(three)) != 1 for *three, _ in found):
        raise SystemExit("onnxruntime, onnx or numpy has changed")
    return [answer[0] for answer in found], [answer[3] for answer in found]


narrow, wide = both(np.uint8, 200, 100), both(np.uint16, 65000, 1000)
print(f"uint8: onnxruntime {narrow[0]}, OpenVINO {narrow[1]}")
print(f"uint16 (65000 + 1000 and 100 - 200): onnxruntime {wide[0]}, OpenVINO {wide[1]}")
seen = narrow == ([44, 156], [255, 0]) and wide == ([464, 65436], [464, 65436])
raise SystemExit(0 if seen else "OpenVINO has changed")
PYTHON
