"""A segment of a lowered graph, compiled for one engine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.ir import Graph
from accelserve.kernels.ir.multiplications import macs
from accelserve.kernels.opencl.compiler.layers import Emission, Record, lower_node
from accelserve.kernels.opencl.compiler.schedule import in_pieces, with_strips
from accelserve.kernels.opencl.compiler.storage import Storage, assign_storage
from accelserve.kernels.opencl.engine.configuration import EngineConfiguration
from accelserve.kernels.opencl.engine.descriptor import DESCRIPTOR
from accelserve.kernels.opencl.engine.segment import (
    Border,
    CompiledSegment,
    LayerSpan,
    Port,
    bordered_shape,
    channels_of,
)
from accelserve.kernels.opencl.engine.source import EnginePath

Element = TypeVar("Element", np.int8, np.int32)


def compile_segment(
    graph: Graph, configuration: EngineConfiguration, path: EnginePath, *, in_turn: bool
) -> CompiledSegment:
    """Descriptors, packed weights and placement of a segment's graph.

    Args:
        graph: nodes that ``partition`` gave to the device.
        configuration: the engine's constants.
        path: how the engine is laid out.
        in_turn: whether the channel path's kernels run one after another, as on a device that is a CPU underneath.

    Raises:
        PlanError: the segment does not fit the engine's address range or on-chip buffers.
    """
    out = Emission(graph, assign_storage(graph, configuration.vec), configuration)
    records: list[Record] = []
    layers: list[LayerSpan] = []
    for node in graph:
        before = len(out.records)
        lower_node(out, node)
        first = len(records)
        for record in out.records[before:]:
            records += _fitted(record, configuration, path, node.name, in_turn)
        shape = graph.type_of(node.output).shape
        if len(records) > first:
            layers.append(LayerSpan(node.name, node.op.label, shape, macs(graph, node), first, len(records)))
    return CompiledSegment(
        program=_program(records),
        weights=_joined(out.weights, np.int8, configuration.weight_block_bytes),
        parameters=_joined(out.parameters, np.int32, 1),
        arena_bytes=out.storage.arena_bytes,
        inputs=tuple(_port(graph, out.storage, value) for value in graph.inputs),
        outputs=tuple(_port(graph, out.storage, value) for value in graph.outputs.values()),
        layers=tuple(layers),
    )


def _fitted(
    record: Record, configuration: EngineConfiguration, path: EnginePath, name: str, in_turn: bool
) -> Iterable[Record]:
    if path is EnginePath.FUSED:
        return [record]
    stripped = with_strips(record, configuration, name)
    return in_pieces(stripped, configuration, name) if in_turn else [stripped]


def _program(records: list[Record]) -> NDArray[np.void]:
    program = np.zeros(len(records), DESCRIPTOR)
    for row, record in zip(program, records, strict=True):
        for name, value in record.items():
            row[name] = value
    return program


def _joined(arrays: Sequence[NDArray[Element]], dtype: type[Element], least: int) -> NDArray[Element]:
    """One array; OpenCL has no empty buffers, so at least ``least`` elements."""
    return np.concatenate(arrays) if arrays else np.zeros(least, dtype)


def _port(graph: Graph, storage: Storage, value: str) -> Port:
    kind, view = graph.type_of(value), storage.views[value]
    border = storage.borders.get(value, Border())
    shape = bordered_shape(kind.shape, border)
    channels = channels_of(kind)
    pixels = int(np.prod(shape, dtype=np.int64)) // max(channels, 1)
    span = (pixels - 1) * view.step + channels * kind.dtype.size_bytes
    return Port(value, kind, view.offset, view.step, span, border)
