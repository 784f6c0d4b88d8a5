"""Which operators say where an image's channels are, and which pass it on. Judges: ONNX's definitions, onnx.reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from accelserve.kernels.ir import Array
from accelserve.models.importing.image_layout import ELEMENTWISE, READS_NCHW
from accelserve.models.importing.registry import HANDLERS
from tests.models.importing.onnx_models import floats

OPSET = 20
OPERANDS: dict[str, tuple[Array, ...]] = {"Clip": (np.array(-0.5, np.float32), np.array(0.9, np.float32))}
"""Beside the image, where not every one is a number like another."""
ATTRIBUTES: dict[str, dict[str, Any]] = {"Cast": {"to": onnx.TensorProto.FLOAT16}}
NOT_ONE_BY_ONE = {"BatchNormalization", "Gemm", "Split"}
"""They pass for it with numbers for operands: what they do with longer ones depends on an axis."""
OF_MORE = {"DequantizeLinear", "Pad", "QuantizeLinear"}
"""Elementwise with operands that have to be of other types than the image: a pad of an axis, a code."""


def by_reference(op: str, image: Array) -> Array:
    wanted = max(1, onnx.defs.get_schema(op, OPSET).min_input)
    operands = [image, *OPERANDS.get(op, (np.array(0.5, np.float32),) * (wanted - 1))]
    names = [f"operand{index}" for index in range(len(operands))]
    node = onnx.helper.make_node(op, names, ["y"], **ATTRIBUTES.get(op, {}))
    inputs = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names]
    graph = onnx.helper.make_graph([node], "one", inputs, [onnx.ValueInfoProto(name="y")])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)])
    (result,) = ReferenceEvaluator(model).run(None, dict(zip(names, operands, strict=True)))
    return np.asarray(result)


def passes_layouts_on(op: str) -> bool:
    """Whether the transposed image gives the transposed result."""
    image = np.abs(floats(1, 3, 4, 5)) + np.float32(0.1)
    try:
        found = by_reference(op, image)
        turned = by_reference(op, np.ascontiguousarray(image.transpose(0, 2, 3, 1)))
    except Exception:  # noqa: BLE001 - whatever the reference says of operands that the operator does not take
        return False
    return found.shape == image.shape and np.array_equal(found.transpose(0, 2, 3, 1), turned)


@pytest.mark.filterwarnings("ignore")
def test_operators_that_take_each_element_by_itself_are_those_of_the_reference() -> None:
    found = {op for op in HANDLERS if op not in NOT_ONE_BY_ONE | OF_MORE and passes_layouts_on(op)}
    assert found | OF_MORE == ELEMENTWISE


def test_operators_that_say_where_channels_are_are_those_of_onnxs_definitions() -> None:
    described = {
        op: onnx.defs.get_schema(op).inputs[0].description
        for op in HANDLERS
        if onnx.defs.has(op) and op != "Constant"
    }
    assert {op for op, text in described.items() if "N x C" in text} == READS_NCHW
