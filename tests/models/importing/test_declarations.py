"""No attribute and no operand is overlooked: what a handler does not read refuses the node, in every operator set.

Held against the definitions that the onnx package ships, ``onnx.defs``, each set's own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.defs import OpSchema

from accelserve.kernels.errors import UnsupportedNodesError
from accelserve.kernels.ir import Array
from accelserve.models.errors import ModelFileError
from accelserve.models.importing import import_onnx
from accelserve.models.importing.registry import HANDLERS, Call
from tests.models.importing.onnx_models import floats, node, onnx_file
from tests.models.importing.test_backend_nodes import cases, with_inputs


def definitions() -> dict[str, list[OpSchema]]:
    """Every definition that an operator with a handler ever had, by operator."""
    found: dict[str, list[OpSchema]] = {op: [] for op in HANDLERS}
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain == "" and schema.name in found and not schema.deprecated:
            found[schema.name].append(schema)
    return found


DEFINITIONS = definitions()
ATTRIBUTES = [
    (op, schema.since_version, name)
    for op, schemas in sorted(DEFINITIONS.items())
    for schema in sorted(schemas, key=lambda each: each.since_version)
    for name in schema.attributes
]
KINDS: dict[OpSchema.AttrType, Any] = {
    OpSchema.AttrType.INT: 1,
    OpSchema.AttrType.FLOAT: 1.0,
    OpSchema.AttrType.STRING: "x",
    OpSchema.AttrType.INTS: [1],
    OpSchema.AttrType.FLOATS: [1.0],
    OpSchema.AttrType.STRINGS: ["x"],
}


@pytest.mark.parametrize(("op", "opset", "name"), ATTRIBUTES)
def test_each_attribute_is_read_or_does_not_matter_or_refuses_the_node(
    op: str, opset: int, name: str
) -> None:
    handler = HANDLERS[op]
    assert not (name in handler.attributes and name in handler.irrelevant)
    if name in handler.attributes:
        return
    if name in handler.irrelevant:
        assert len(handler.irrelevant[name]) > 15, "the reason"
        return
    schema = onnx.defs.get_schema(op, opset, "")
    value = KINDS.get(schema.attributes[name].type)
    if value is None:
        value = onnx.numpy_helper.from_array(np.zeros((), np.float32))
    operands = " ".join(f"x{i}" for i in range(max(1, schema.min_input)))
    content = onnx_file(
        [node(op, operands if schema.max_input else "", "y", **{name: value})],
        dict.fromkeys(operands.split(), (1, 3, 4, 4)),
        ["y"],
        opset=opset,
    )
    with pytest.raises(
        UnsupportedNodesError, match=f"{op} (with the attribute '{name}'|without the attribute)"
    ):
        import_onnx(content)


@pytest.mark.parametrize("op", sorted(HANDLERS))
def test_what_is_declared_is_there(op: str) -> None:
    handler = HANDLERS[op]
    known = {name for schema in DEFINITIONS[op] for name in schema.attributes}
    assert handler.attributes <= known
    assert set(handler.irrelevant) <= known | {"consumed_inputs"}
    most = max(schema.max_input for schema in DEFINITIONS[op])
    assert (
        handler.operands is None if most > 10 else handler.operands is not None and handler.operands <= most
    )


# Forms of older operator sets, which ONNX's own cases no longer have.
OLD_FORMS: list[tuple[int, str, str, dict[str, Any]]] = [
    *((6, op, "x g", {"axis": 1, "broadcast": 1}) for op in ("Add", "Sub", "Mul", "Div")),
    (6, "BatchNormalization", "x g g g g", {"is_test": 1}),
    (7, "BatchNormalization", "x g g g g", {"epsilon": 1e-5}),
    (13, "Cast", "x", {"to": 1}),
    (6, "Clip", "x", {"min": 0.0, "max": 1.0}),
    (6, "Dropout", "x", {"is_test": 1}),
    (1, "Pad", "x", {"paddings": [0] * 8, "value": 0.0}),
    (2, "Pad", "x", {"pads": [0] * 8, "value": 0.0}),
    *((13, op, "x", {"axes": [2], "keepdims": 1}) for op in ("ReduceMean", "ReduceMax", "ReduceL2")),
    *((18, op, "x", {"noop_with_empty_axes": 1}) for op in ("ReduceMean", "ReduceMax", "ReduceL2")),
    (13, "ReduceSumSquare", "x", {"axes": [2]}),
    (1, "Reshape", "x", {"shape": [1, 192]}),
    (9, "Slice", "x", {"starts": [0], "ends": [2], "axes": [1]}),
    (11, "Split", "x", {"split": [3], "axis": 1}),
    (11, "Squeeze", "x", {"axes": [0]}),
    (11, "Unsqueeze", "x", {"axes": [0]}),
]


def test_what_is_declared_as_read_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over ONNX's own cases and those of ``OLD_FORMS``, each operator asks for each attribute that it declares."""
    asked: dict[str, set[str]] = {op: set() for op in HANDLERS}

    def note(name: str) -> None:
        plain = getattr(Call, name)

        def noting(call: Call, attribute: str, *default: Any) -> Any:
            asked.setdefault(call.node.op, set()).add(attribute)
            return plain(call, attribute, *default)

        monkeypatch.setattr(Call, name, noting)

    for method in ("int_attribute", "float_attribute", "text_attribute", "ints_attribute"):
        note(method)
    for model in _models():
        with contextlib.suppress(UnsupportedNodesError, ModelFileError):
            import_onnx(model.SerializeToString())
    overlooked = {
        (op, name)
        for op, handler in HANDLERS.items()
        for name in handler.attributes - asked[op]
        if not op.startswith("Constant")  # whose attributes are its value, of whatever kind is there
    }
    assert not overlooked


def _models() -> Iterator[onnx.ModelProto]:
    for op in HANDLERS:
        for case in cases()[op]:
            if made := with_inputs(case, 1):
                yield made[0]
    for opset, op, operands, attributes in OLD_FORMS:
        content = onnx_file(
            [node(op, operands, "y", **attributes)], {"x": (1, 3, 8, 8)}, ["y"], {"g": floats(3)}, opset=opset
        )
        yield onnx.ModelProto.FromString(content)
    scales: dict[str, Array] = {"s": np.full(3, 0.1, np.float32), "z": np.zeros(3, np.uint8)}
    pairs: list[tuple[int, list[onnx.NodeProto]]] = [
        (11, [node("Mul", "x x", "m"), node("ReduceSum", "m", "y", axes=[1], keepdims=1)]),
        (13, [node("Mul", "x x", "m"), node("ReduceSum", "m", "y", noop_with_empty_axes=1)]),
        (13, [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "y", axis=1)]),
    ]
    for opset, nodes in pairs:
        yield onnx.ModelProto.FromString(onnx_file(nodes, {"x": (1, 3, 8, 8)}, ["y"], scales, opset=opset))


def refused(content: bytes) -> str:
    with pytest.raises(UnsupportedNodesError) as caught:
        import_onnx(content)
    return str(caught.value)


def test_a_definition_of_another_operator_set_is_not_used() -> None:
    image = {"x": (1, 3, 4, 4)}
    squeeze = onnx_file([node("Squeeze", "x", "y", axes=[0])], image, ["y"], opset=13)
    assert "Squeeze whose attribute 'axes' operator set 13 does not have" in refused(squeeze)
    swish = onnx_file([node("HardSwish", "x", "y")], image, ["y"], opset=13)
    assert "HardSwish in operator set 13, which does not have it" in refused(swish)
    reduced = onnx_file([node("ReduceMean", "x a", "y")], image, ["y"], {"a": np.array([2])}, opset=17)
    assert "ReduceMean with 2 operands in operator set 17" in refused(reduced)


def test_an_operator_set_that_nobody_knows_yet() -> None:
    newest = onnx.defs.onnx_opset_version()
    content = onnx_file([node("Relu", "x", "y")], {"x": (1, 3, 4, 4)}, ["y"], opset=newest + 1)
    with pytest.raises(
        ModelFileError, match=f"operator set {newest + 1}, and onnx .* knows those up to {newest}"
    ):
        import_onnx(content)
