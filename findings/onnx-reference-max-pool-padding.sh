#!/usr/bin/env bash
# onnx 1.23.2. onnx.reference has two implementations of MaxPool. That for steps of 1 reads ONNX's pads, all begins and then all
# ends, as pairs of one axis, so that pixels are added at other sides and the shape is another; and it pads with NaN, which int8
# and uint8 (MaxPool-12) have not. That for other steps knows no auto_pad: with SAME_LOWER an odd size loses its last row and
# column. onnxruntime 1.32.0 computes what the specification says; onnx's own shape inference agrees with it.
# Seen, of 4 x 4 pixels, a kernel of 2 and, of SAME_LOWER, 5 x 5 pixels and steps of 2:
#   a row at the top and one below: onnxruntime (5, 3), onnx.reference (4, 4)
#   a pixel all around, int8: onnxruntime (5, 5), onnx.reference ValueError
#   SAME_LOWER: onnxruntime (3, 3), onnx.reference (2, 2)
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
from onnx import helper
from onnx.reference import ReferenceEvaluator


def shapes(dtype: type[np.generic], side: int, **attributes: object) -> tuple[object, object, object]:
    """Of shape inference, of onnxruntime's answer, and of onnx.reference's or the error."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    pixels = np.arange(side * side).astype(dtype).reshape(1, 1, side, side)
    node = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], **attributes)
    x, y = helper.make_tensor_value_info("x", kind, pixels.shape), helper.make_tensor_value_info("y", kind, None)
    model = helper.make_model(helper.make_graph([node], "g", [x], [y]), opset_imports=[helper.make_opsetid("", 12)], ir_version=8)
    model = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    onnx.checker.check_model(model, full_check=True)
    inferred = tuple(size.dim_value for size in model.graph.output[0].type.tensor_type.shape.dim)[2:]
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    runtime = session.run(None, {"x": pixels})[0].shape[2:]
    try:
        reference = ReferenceEvaluator(model).run(None, {"x": pixels})[0].shape[2:]
    except ValueError as error:
        reference = type(error).__name__
    return inferred, runtime, reference


for name, found, right, wrong in (
    ("a row at the top and one below", shapes(np.float32, 4, pads=[1, 0, 1, 0]), (5, 3), (4, 4)),
    ("a pixel all around, int8", shapes(np.int8, 4, pads=[1, 1, 1, 1]), (5, 5), "ValueError"),
    ("SAME_LOWER", shapes(np.float32, 5, auto_pad="SAME_LOWER", strides=[2, 2]), (3, 3), (2, 2)),
):
    inferred, runtime, reference = found
    print(f"{name}: onnxruntime {runtime}, onnx.reference {reference}")
    if (inferred, runtime, reference) != (right, right, wrong):
        raise SystemExit("onnx or onnxruntime has changed")
PYTHON
