"""Reading an ONNX file that may come from anywhere: bounds are checked before anything is allocated.

What leaves here is free of protobuf: nodes in an order that respects data flow, without those that nothing needs,
and numpy arrays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from accelserve.kernels.ir import Array
from accelserve.models.errors import ModelFileError
from accelserve.models.importing.tensor_data import MAX_TENSOR_BYTES, tensor_array

Attribute = int | float | str | tuple[int, ...] | tuple[float, ...] | tuple[str, ...] | Array | None
"""An attribute's value; None stands for the kinds that no supported operator has (subgraphs, sparse tensors)."""


@dataclass(frozen=True, slots=True)
class OnnxNode:
    """One node of the file.

    Attributes:
        name: as written, or that of its first output where the file gives none.
        op: operator, such as ``Conv``.
        domain: operator set, empty for ONNX's own.
        inputs, outputs: value names; an empty one is an optional operand that is absent.
        attributes: name -> value.
    """

    name: str
    op: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]


@dataclass(frozen=True, slots=True)
class OnnxInput:
    """A graph input: its ONNX element type and its dimensions, None where the file leaves one open."""

    name: str
    elem_type: int
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """A checked file.

    Attributes:
        source: path, or ``<bytes>``, for messages.
        sha256: of the file's bytes, hexadecimal.
        opset: version of ONNX's own operator set.
        producer: the exporter, as the file names it.
        metadata: the file's own key -> value properties.
        inputs, outputs, nodes: the graph; nodes in data-flow order, all of them needed.
        initializers: name -> array.
    """

    source: str
    sha256: str
    opset: int
    producer: str
    metadata: Mapping[str, str]
    inputs: tuple[OnnxInput, ...]
    outputs: tuple[str, ...]
    nodes: tuple[OnnxNode, ...]
    initializers: Mapping[str, Array]


def read_onnx(source: Path | bytes) -> OnnxFile:
    """Read and check an ONNX file.

    Args:
        source: a path, beside which external tensors may lie, or the file's bytes.

    Raises:
        ModelFileError: one sentence that says what is wrong and where.
    """
    name = "<bytes>" if isinstance(source, bytes) else str(source)
    content = source if isinstance(source, bytes) else _file_bytes(source)
    model = _inlined(_parse(name, content), name)
    folder = None if isinstance(source, bytes) else source.parent
    nodes = _nodes(name, model.graph.node)
    outputs = tuple(value.name for value in model.graph.output)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    inputs = tuple(_input(value) for value in model.graph.input if value.name not in tensors)
    ordered = _ordered(name, nodes, {*tensors, *(i.name for i in inputs)}, outputs)
    used = {value for node in ordered for value in node.inputs} | set(outputs)
    return OnnxFile(
        source=name,
        sha256=hashlib.sha256(content).hexdigest(),
        opset=_opset(name, model),
        producer=f"{model.producer_name} {model.producer_version}".strip(),
        metadata={entry.key: entry.value for entry in model.metadata_props},
        inputs=inputs,
        outputs=outputs,
        nodes=ordered,
        initializers={k: tensor_array(name, t, folder) for k, t in tensors.items() if k in used},
    )


def _file_bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_TENSOR_BYTES:
            raise ModelFileError(str(path), "is larger than 2 GB; store its weights as external data")
        return path.read_bytes()
    except OSError as error:
        raise ModelFileError(str(path), f"cannot be read: {error.strerror}") from error


def _parse(name: str, content: bytes) -> onnx.ModelProto:
    try:
        model = onnx.ModelProto.FromString(content)
    except DecodeError as error:
        raise ModelFileError(
            name, "is not an ONNX file, or is truncated: protobuf cannot parse it"
        ) from error
    if not model.graph.node or not model.graph.output:
        raise ModelFileError(
            name,
            f"holds no network: its graph has {len(model.graph.node)} nodes and {len(model.graph.output)} outputs; the file may be truncated",
        )
    return model


def _inlined(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    if not model.functions:
        return model
    from onnx import inliner

    try:
        return inliner.inline_local_functions(model)
    except (RuntimeError, ValueError) as error:
        raise ModelFileError(name, f"its local functions cannot be inlined: {error}") from error


def _opset(name: str, model: onnx.ModelProto) -> int:
    versions = [entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}]
    if not versions:
        raise ModelFileError(name, "does not say which version of ONNX's operator set it uses (opset_import)")
    opset, known = int(max(versions)), onnx.defs.onnx_opset_version()
    if opset > known:
        raise ModelFileError(
            name,
            f"uses operator set {opset}, and onnx {onnx.__version__}, which is installed, knows those up to {known}; "
            "export the model with an older one",
        )
    return opset


def _input(value: onnx.ValueInfoProto) -> OnnxInput:
    kind = value.type.tensor_type
    if not kind.HasField("shape"):
        return OnnxInput(value.name, kind.elem_type, None)
    shape = tuple(int(d.dim_value) if d.HasField("dim_value") else None for d in kind.shape.dim)
    return OnnxInput(value.name, kind.elem_type, shape)


def _nodes(source: str, protos: Iterable[onnx.NodeProto]) -> list[OnnxNode]:
    nodes = []
    for proto in protos:
        outputs = tuple(proto.output)
        nodes.append(
            OnnxNode(
                name=proto.name or next((value for value in outputs if value), proto.op_type),
                op=proto.op_type,
                domain="" if proto.domain == "ai.onnx" else proto.domain,
                inputs=tuple(proto.input),
                outputs=outputs,
                attributes={a.name: _attribute(source, a) for a in proto.attribute},
            )
        )
    return nodes


def _attribute(source: str, proto: onnx.AttributeProto) -> Attribute:
    kinds = onnx.AttributeProto
    match proto.type:
        case kinds.INT:
            return int(proto.i)
        case kinds.FLOAT:
            return float(proto.f)
        case kinds.STRING:
            return proto.s.decode("utf-8", "replace")
        case kinds.INTS:
            return tuple(int(i) for i in proto.ints)
        case kinds.FLOATS:
            return tuple(float(f) for f in proto.floats)
        case kinds.STRINGS:
            return tuple(s.decode("utf-8", "replace") for s in proto.strings)
        case kinds.TENSOR:
            return tensor_array(source, proto.t, None)
        case _:
            return None


def _ordered(
    source: str, nodes: list[OnnxNode], given: set[str], outputs: tuple[str, ...]
) -> tuple[OnnxNode, ...]:
    """Nodes that ``outputs`` need; in the file's order where that respects data flow, as the standard demands."""
    makers = _makers(source, nodes, given)
    by_flow: dict[str, OnnxNode] = {}
    for output in outputs:
        if not output:
            raise ModelFileError(source, "one of its outputs has no name")
        _visit(source, output, makers, given, by_flow)
    as_written = {key: node for node in nodes if (key := _key(node)) in by_flow}
    ready = set(given) | {""}
    for node in as_written.values():
        if not ready.issuperset(node.inputs):
            return tuple(by_flow.values())
        ready.update(node.outputs)
    return tuple(as_written.values())


def _visit(
    source: str, output: str, makers: Mapping[str, OnnxNode], given: set[str], done: dict[str, OnnxNode]
) -> None:
    """Add what ``output`` needs to ``done``: a depth-first walk, without recursion since files may be deep."""
    being_made: set[str] = set()
    stack = [(output, False, "the list of outputs")]
    while stack:
        value, leaving, reader = stack.pop()
        if not value or value in given:
            continue
        if value not in makers:
            raise ModelFileError(source, _missing(value, reader))
        node = makers[value]
        key = _key(node)
        if leaving:
            being_made.discard(key)
            done[key] = node
        elif key in being_made:
            raise ModelFileError(source, f"is cyclic: node '{node.name}' ({node.op}) needs its own result")
        elif key not in done:
            being_made.add(key)
            stack.append((key, True, reader))
            stack.extend((i, False, f"node '{node.name}' ({node.op})") for i in reversed(node.inputs))


def _key(node: OnnxNode) -> str:
    """The value that stands for the node: its first result that has a name."""
    return next((value for value in node.outputs if value), "")


def _missing(value: str, reader: str) -> str:
    return f"{reader} reads '{value}', which is no input, no initializer and no node's result"


def _makers(source: str, nodes: list[OnnxNode], given: set[str]) -> dict[str, OnnxNode]:
    makers: dict[str, OnnxNode] = {}
    for node in nodes:
        for value in filter(None, node.outputs):
            if value in makers or value in given:
                raise ModelFileError(
                    source, f"two nodes make '{value}'; the second is '{node.name}' ({node.op})"
                )
            makers[value] = node
    return makers
