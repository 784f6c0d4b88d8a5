"""One function an operator: from a node to the records that the engine's sequencer reads."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, TypeVar, get_type_hints

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.ir import (
    Array,
    Concat,
    Graph,
    MaxPool,
    Node,
    Op,
    QAdd,
    QAveragePool,
    QChannelAffine,
    QConv2d,
    QLookup,
    Reshape,
    Slice,
    TensorType,
    Transpose,
    Window,
)
from accelserve.kernels.opencl.compiler.movement import Movement, loops, permuted, strides_of
from accelserve.kernels.opencl.compiler.pack import pack_convolution
from accelserve.kernels.opencl.compiler.storage import Storage, View, concat_parts, dense_step
from accelserve.kernels.opencl.engine.configuration import EngineConfiguration
from accelserve.kernels.opencl.engine.descriptor import LayerKind
from accelserve.kernels.opencl.engine.segment import Border, bordered_shape, channels_of

Record: TypeAlias = dict[str, float]


@dataclass(slots=True)
class Emission:
    """What lowering a segment accumulates.

    Attributes:
        graph, storage, configuration: what is lowered, where its values live, for which engine.
        records: descriptor fields, one mapping a descriptor; absent fields are zero.
        weights: packed blocks; parameters: words; both in order of use.
    """

    graph: Graph
    storage: Storage
    configuration: EngineConfiguration
    records: list[Record] = field(default_factory=list)
    weights: list[NDArray[np.int8]] = field(default_factory=list)
    parameters: list[NDArray[np.int32]] = field(default_factory=list)
    taps: int = 0
    words: int = 0

    def add_weights(self, packed: NDArray[np.int8]) -> int:
        """Append blocks; the index of their first tap."""
        first = self.taps
        self.weights.append(packed.reshape(-1))
        self.taps += packed.size // self.configuration.weight_block_bytes
        return first

    def add_parameters(self, words: NDArray[np.int32]) -> int:
        """Append words; the index of the first."""
        first = self.words
        self.parameters.append(words.reshape(-1))
        self.words += words.size
        return first

    def view(self, value: str) -> View:
        """Where a value lives."""
        return self.storage.views[value]

    def constant(self, value: str) -> Array:
        """A constant operand."""
        return self.graph.constants[value]

    def type_of(self, value: str) -> TensorType:
        """A value's type."""
        return self.graph.type_of(value)


Lower: TypeAlias = Callable[[Emission, Node, Any], None]
"""Appends the records of a node; the third argument is its operator."""
Function = TypeVar("Function", bound=Lower)

LOWERINGS: dict[type[Op], Lower] = {}
"""Operator -> what appends its records. The engine runs these; ``partition`` leaves all others to the host."""


def lowers(op: type[Op]) -> Callable[[Function], Function]:
    """Register the decorated function as the lowering of an operator, which its argument ``op`` names again.

    Raises:
        TypeError: ``op`` is declared to be something else, or the operator has a lowering already.
    """

    def register(function: Function) -> Function:
        declared = get_type_hints(function).get("op")
        if declared is not op:
            raise TypeError(f"{function} lowers {op.__name__} but takes {declared}")
        if LOWERINGS.setdefault(op, function) is not function:
            raise TypeError(f"{op.__name__} has two lowerings: {LOWERINGS[op]} and {function}")
        return function

    return register


def lower_node(out: Emission, node: Node) -> None:
    """Append the records of one node."""
    LOWERINGS[type(node.op)](out, node, node.op)


def _image(kind: TensorType) -> tuple[int, int, int]:
    """Rows, columns, channels; a value that is no image is one row of pixels."""
    channels = channels_of(kind)
    if len(kind.shape) == 4:
        return kind.shape[1], kind.shape[2], channels
    return 1, kind.elements // max(channels, 1), channels


def _ends(out: Emission, node: Node) -> Record:
    """Fields of every layer of pixels: both views and the result's size."""
    source, target = out.view(node.inputs[0]), out.view(node.output)
    rows, columns, channels = _image(out.type_of(node.output))
    input_rows, input_columns, _ = _image(out.type_of(node.inputs[0]))
    return {
        "source": source.offset,
        "source_step": source.step,
        "source_row_step": source.step * input_columns,
        "target": target.offset,
        "target_step": target.step,
        "rows_end": rows,
        "columns": columns,
        "channels": channels,
        "input_rows": input_rows,
        "input_columns": input_columns,
    }


def _second(out: Emission, value: str) -> Record:
    view = out.view(value)
    return {"second": view.offset, "second_step": view.step}


def _window(window: Window) -> Record:
    return {
        "stride_rows": window.strides[0],
        "stride_columns": window.strides[1],
        "pad_top": window.padding[0],
        "pad_left": window.padding[1],
        "dilation_rows": window.dilations[0],
        "dilation_columns": window.dilations[1],
        "tap_rows": window.kernel[0],
        "tap_columns": window.kernel[1],
    }


@lowers(QConv2d)
def _convolution(out: Emission, node: Node, op: QConv2d) -> None:
    weights, bias, scale = (out.constant(value) for value in node.inputs[1:4])
    border = out.storage.borders.get(node.inputs[0])
    fields = _ends(out, node) | _window(op.window)
    if border is not None:
        weights = weights.reshape(weights.shape[0], weights.shape[1], 1, -1)
        fields |= _folded(out, node, op.window, border)
    packed = pack_convolution(weights, bias, scale, op.groups, out.configuration)
    fields |= _epilogue(out, node, op)
    fields |= {
        "kind": LayerKind.CONVOLUTION,
        "vectors": packed.vectors,
        "pixel_vectors": math.ceil(weights.shape[3] * op.groups / out.configuration.vec),
        "blocks_end": packed.weights.shape[0],
        "weights": out.add_weights(packed.weights),
        "parameters": out.add_parameters(packed.parameters),
        "input_zero_point": op.input_zero_point,
    }
    out.records.append(fields)


def _folded(out: Emission, node: Node, window: Window, border: Border) -> Record:
    """A bordered input: a row of taps is one run of bytes, and its padding is stored."""
    _, rows, columns, channels = bordered_shape(out.type_of(node.inputs[0]).shape, border)
    return {
        "source_step": window.strides[1] * channels,
        "source_row_step": columns * channels,
        "input_rows": rows,
        "input_columns": _image(out.type_of(node.output))[1],
        "stride_columns": 1,
        "tap_columns": 1,
        "pad_top": 0,
        "pad_left": 0,
    }


def _epilogue(out: Emission, node: Node, op: QConv2d) -> Record:
    epilogue = op.epilogue
    if epilogue is None:
        return {"float_result": 1}
    fields: Record = {"zero_point": epilogue.zero_point, "low": epilogue.low, "high": epilogue.high}
    if epilogue.intermediate is not None:
        middle = epilogue.intermediate
        fields |= {"has_intermediate": 1, "middle_low": middle.low, "middle_high": middle.high}
        fields["middle_multiplier"] = middle.multiplier
    if epilogue.residual is not None:
        fields |= _second(out, node.inputs[4]) | {"has_residual": 1}
        fields["residual_zero_point"] = epilogue.residual.zero_point
        fields["residual_multiplier"] = epilogue.residual.multiplier
    return fields


@lowers(QAdd)
def _add(out: Emission, node: Node, op: QAdd) -> None:
    fields = _ends(out, node) | _second(out, node.inputs[1])
    fields |= {
        "kind": LayerKind.ADD,
        "input_zero_point": op.a.zero_point,
        "middle_multiplier": op.a.multiplier,
        "residual_zero_point": op.b.zero_point,
        "residual_multiplier": op.b.multiplier,
        "zero_point": op.zero_point,
        "low": op.low,
        "high": op.high,
    }
    out.records.append(fields)


@lowers(QChannelAffine)
def _scale(out: Emission, node: Node, op: QChannelAffine) -> None:
    factors = np.concatenate([out.constant(value).astype(np.float32) for value in node.inputs[1:3]])
    fields = _ends(out, node) | {
        "kind": LayerKind.SCALE,
        "parameters": out.add_parameters(factors.view(np.int32)),
        "input_zero_point": op.input_zero_point,
        "zero_point": op.zero_point,
        "low": op.low,
        "high": op.high,
    }
    out.records.append(fields)


@lowers(QLookup)
def _look_up(out: Emission, node: Node, op: QLookup) -> None:
    del op
    table = np.ascontiguousarray(out.constant(node.inputs[1]), np.uint8).view(np.int32)
    out.records.append(
        _ends(out, node) | {"kind": LayerKind.LOOK_UP, "parameters": out.add_parameters(table)}
    )


@lowers(QAveragePool)
def _average(out: Emission, node: Node, op: QAveragePool) -> None:
    multipliers = np.ascontiguousarray(out.constant(node.inputs[1]), np.float32).view(np.int32)
    fields = (
        _ends(out, node)
        | _window(op.window)
        | {
            "kind": LayerKind.POOL_AVERAGE,
            "parameters": out.add_parameters(multipliers),
            "input_zero_point": op.input_zero_point,
            "zero_point": op.zero_point,
            "high": 255,
        }
    )
    out.records.append(fields)


@lowers(MaxPool)
def _maximum(out: Emission, node: Node, op: MaxPool) -> None:
    out.records.append(_ends(out, node) | _window(op.window) | {"kind": LayerKind.POOL_MAXIMUM})


def _move(out: Emission, movement: Movement, element_bytes: int) -> None:
    for record, width in loops(movement, element_bytes):
        fields: Record = {
            "kind": LayerKind.MOVE,
            "source": record.source,
            "target": record.target,
            "element_bytes": width,
        }
        for i in range(len(record.sizes)):
            fields[f"move_size{i}"] = record.sizes[i]
            fields[f"move_source{i}"] = record.source_strides[i]
            fields[f"move_target{i}"] = record.target_strides[i]
        out.records.append(fields)


@lowers(Concat)
def _concat(out: Emission, node: Node, op: Concat) -> None:
    """Copies of the operands that their producers did not write in their place."""
    whole = out.view(node.output)
    strides = strides_of(out.type_of(node.output), whole)
    start = 0
    for value, part in zip(node.inputs, concat_parts(out.graph, node, whole), strict=True):
        view, kind = out.view(value), out.type_of(value)
        if part is None or (view.root, view.offset, view.step) != (part.root, part.offset, part.step):
            target = whole.offset + start * strides[op.axis]
            movement = Movement(view.offset, target, kind.shape, strides_of(kind, view), strides)
            _move(out, movement, kind.dtype.size_bytes)
        start += kind.shape[op.axis]


@lowers(Reshape)
def _reshape(out: Emission, node: Node, op: Reshape) -> None:
    """Nothing where source and result are the same bytes; else a copy, the result being without gaps."""
    del op
    kind, source, target = out.type_of(node.inputs[0]), out.view(node.inputs[0]), out.view(node.output)
    if (source.root, source.offset, source.step) == (target.root, target.offset, dense_step(kind)):
        return
    dense = replace(target, step=dense_step(kind))
    _move(
        out,
        Movement(source.offset, target.offset, kind.shape, strides_of(kind, source), strides_of(kind, dense)),
        kind.dtype.size_bytes,
    )


@lowers(Transpose)
def _transpose(out: Emission, node: Node, op: Transpose) -> None:
    kind, source, target = out.type_of(node.inputs[0]), out.view(node.inputs[0]), out.view(node.output)
    result = out.type_of(node.output)
    strides = permuted(strides_of(kind, source), op.permutation)
    movement = Movement(source.offset, target.offset, result.shape, strides, strides_of(result, target))
    _move(out, movement, kind.dtype.size_bytes)


@lowers(Slice)
def _slice(out: Emission, node: Node, op: Slice) -> None:
    kind, source, target = out.type_of(node.inputs[0]), out.view(node.inputs[0]), out.view(node.output)
    result, strides = out.type_of(node.output), strides_of(kind, source)
    start = source.offset + sum(i * stride for i, stride in zip(op.start, strides, strict=True))
    steps = tuple(stride * step for stride, step in zip(strides, op.step, strict=True))
    movement = Movement(start, target.offset, result.shape, steps, strides_of(result, target))
    _move(out, movement, kind.dtype.size_bytes)
