"""Operators on constants, against the specification where onnx.reference departs from it."""

from __future__ import annotations

import numpy as np
import pytest

from accelserve.models.importing.folding import fold
from accelserve.models.importing.onnx_file import OnnxNode


@pytest.mark.parametrize("axis", [0, -2])
def test_constants_of_more_steps_than_int32_saturate_at_their_own_end(axis: int) -> None:
    # QuantizeLinear-13: y = saturate(x / y_scale + y_zero_point). onnxruntime answers the same.
    node = OnnxNode("q", "QuantizeLinear", "", ("x", "scale", "zero"), ("y",), {"axis": axis})
    weights = np.array([[100, 3e9, -3e9, np.inf], [1, 2.5, -np.inf, 1e-3]], np.float32)
    (quantized,) = fold(node, 13, [weights, np.array([1, 1e-12], np.float32), np.array([0, 1], np.int8)])
    np.testing.assert_array_equal(
        quantized, np.array([[100, 127, -128, 127], [127, 127, -128, 127]], np.int8)
    )
