"""What ONNX itself says about an operator in a file's operator set: whether it is there, and what it may have."""

from __future__ import annotations

import onnx

from accelserve.models.importing.onnx_file import OnnxNode
from accelserve.models.importing.registry import HANDLERS, UnsupportedFormError


def check_standard(node: OnnxNode, opset: int) -> None:
    """Refuse what the operator set does not define, since a meaning that it has in another set may not be meant.

    Attributes that do not matter in any set (``Handler.irrelevant``) are let through.

    Raises:
        UnsupportedFormError: no such operator, an attribute that it does not have or lacks, or a number of operands or
            results that it does not take.
    """
    try:
        schema = onnx.defs.get_schema(node.op, opset, "")
    except onnx.defs.SchemaError:
        raise UnsupportedFormError(f"in operator set {opset}, which does not have it") from None
    harmless = HANDLERS[node.op].irrelevant if node.op in HANDLERS else {}
    for name in node.attributes:
        if name not in schema.attributes and name not in harmless:
            raise UnsupportedFormError(f"whose attribute '{name}' operator set {opset} does not have")
    for name, attribute in schema.attributes.items():
        if attribute.required and name not in node.attributes:
            raise UnsupportedFormError(f"without the attribute '{name}'")
    if not schema.min_input <= len(node.inputs) <= schema.max_input:
        raise UnsupportedFormError(f"with {len(node.inputs)} operands in operator set {opset}")
    if len(node.outputs) > schema.max_output:
        raise UnsupportedFormError(f"with {len(node.outputs)} results in operator set {opset}")
