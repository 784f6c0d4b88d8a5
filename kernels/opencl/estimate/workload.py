"""What a network asks of the engine, layer by layer: sizes only, from a lowered graph or a float one."""

from __future__ import annotations

import math
from dataclasses import dataclass

from accelserve.kernels.ir import (
    Add,
    AveragePool,
    ChannelAffine,
    Clip,
    Conv2d,
    Dense,
    Graph,
    Movement,
    Node,
    QConv2d,
    Quantize,
    Window,
    window_of,
)
from accelserve.kernels.opencl.compiler.layers import LOWERINGS

_POINT = Window(kernel=(1, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolution:
    """A convolution's sizes.

    Attributes:
        name: the node's.
        rows, columns, outputs: of the result.
        input_rows, input_columns, channels: of the operand.
        window: kernel, strides, padding, dilations.
        groups: divides channels and outputs.
        residual: whether another tensor of the result's size is read.
        reads_image: whether the operand is the network's input, which is stored with its border.
        result_bytes: of one element.
    """

    name: str
    rows: int
    columns: int
    outputs: int
    input_rows: int
    input_columns: int
    channels: int
    window: Window
    groups: int
    residual: bool
    reads_image: bool
    result_bytes: int = 1

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return self.rows * self.columns * self.outputs * self.weights // max(self.outputs, 1)

    @property
    def weights(self) -> int:
        """Bytes of unpadded weights."""
        return self.outputs * math.prod(self.window.kernel) * self.channels // self.groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """A layer without weights.

    Attributes:
        name: the node's.
        operator: for the table.
        pixels, channels: of the result.
        reads: operand pixels read for each pixel of the result.
    """

    name: str
    operator: str
    pixels: int
    channels: int
    reads: int


@dataclass(frozen=True, slots=True)
class Workload:
    """A network's work in order; ``host`` counts the nodes that the host runs."""

    layers: tuple[Convolution | Vector, ...]
    host: int

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image."""
        return sum(layer.macs for layer in self.layers if isinstance(layer, Convolution))


def workload_of(graph: Graph) -> Workload:
    """The engine's work for a graph.

    A float graph counts as it would be lowered: batch normalization after a convolution, clips and the addition of a
    convolution's result cost nothing of their own.
    """
    layers: list[Convolution | Vector] = []
    host = 0
    readers = graph.consumers()
    producers = graph.producers()
    joined: set[str] = set()
    for node in graph:
        if isinstance(node.op, Add) and (fused := _last_convolution(graph, node, producers, readers)):
            joined.add(fused)
    for node in graph:
        if isinstance(node.op, Conv2d | QConv2d | Dense):
            layers.append(_convolution(graph, node, node.name in joined))
        elif (reads := _vector_reads(node, producers)) is not None:
            shape = graph.type_of(node.output).shape
            pixels = math.prod(shape[:-1])
            if reads:
                layers.append(
                    Vector(
                        name=node.name, operator=node.op.label, pixels=pixels, channels=shape[-1], reads=reads
                    )
                )
        else:
            host += 1
    return Workload(tuple(layers), host)


def _vector_reads(node: Node, producers: dict[str, Node]) -> int | None:
    """Operand pixels for a pixel of the result; 0 if the layer costs nothing, None if the host runs it."""
    op = node.op
    if isinstance(op, Movement | Clip | Add | Quantize):
        return 0
    if isinstance(op, ChannelAffine):
        source = producers.get(node.inputs[0])
        return 0 if source is not None and isinstance(source.op, Conv2d | Dense) else 1
    if not (type(op) in LOWERINGS or isinstance(op, AveragePool)):
        return None
    window = window_of(op)
    return len(node.inputs) - len(op.parameters) if window is None else math.prod(window.kernel)


def _last_convolution(
    graph: Graph, node: Node, producers: dict[str, Node], readers: dict[str, list[Node]]
) -> str | None:
    """The convolution whose epilogue can take the addition: the later of the operands' that nothing else reads."""
    order = {each.name: i for i, each in enumerate(graph)}
    found = []
    for value in node.inputs:
        source = producers.get(value)
        while source is not None and isinstance(source.op, ChannelAffine | Clip):
            source = producers.get(source.inputs[0])
        if source is not None and isinstance(source.op, Conv2d) and len(readers.get(value, [])) == 1:
            found.append(source.name)
    return max(found, key=order.__getitem__, default=None)


def _convolution(graph: Graph, node: Node, takes_sum: bool) -> Convolution:
    op = node.op
    shape, result = graph.type_of(node.inputs[0]).shape, graph.type_of(node.output).shape
    if isinstance(op, Dense):
        shape, result = (1, 1, 1, shape[-1]), (1, 1, 1, result[-1])
    fused = isinstance(op, QConv2d) and op.epilogue is not None and op.epilogue.residual is not None
    float_result = isinstance(op, QConv2d) and op.epilogue is None
    return Convolution(
        name=node.name,
        rows=result[1],
        columns=result[2],
        outputs=result[3],
        input_rows=shape[1],
        input_columns=shape[2],
        channels=shape[3],
        window=op.window if isinstance(op, Conv2d | QConv2d) else _POINT,
        groups=op.groups if isinstance(op, Conv2d | QConv2d) else 1,
        residual=fused or takes_sum,
        reads_image=node.inputs[0] in graph.inputs,
        result_bytes=4 if float_result else 1,
    )
