"""The images of an inner batch become rows of one image, since kernels compute one image at a time.

A network may fold other axes into the leading one: frames of a clip, windows of attention, groups of channels. With x
of [n, h, w, c], n above 1, and ``stack(x)`` its Reshape to [1, n * h, w, c]:

1. An operator of single elements or pixels of x -> the Reshape back of the same of ``stack(x)``.
2. A window that tiles each image's rows by itself (no padding of rows, strides that divide them, or all rows at once)
   -> the same, the stride being the image's rows where the window covers them all.
3. Any other convolution, or a greatest element -> the same of ``stack(Pad(x))``: the padding of rows that the window
   asks for stands between the images, and as much more as makes their rows a multiple of the stride (of two in the
   Winograd domain, whose blocks begin at even rows). A Slice drops the rows that lie across two images.
4. Any other window (a mean counts the cells inside its image) -> one for each image, of Slices, side by side again.

Post: the bytes are the same; no operator with a window or a quantization reads a leading axis longer than 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from accelserve.kernels.compiler.driver import graph_pass, leaves
from accelserve.kernels.compiler.rewriting import GraphIndex, Replacement, rewrite
from accelserve.kernels.ir import (
    Concat,
    Conv2d,
    DType,
    Graph,
    MaxPool,
    Node,
    Op,
    Pad,
    Padding,
    Pixelwise,
    QConv2d,
    QWinogradConv2d,
    Reshape,
    Slice,
    Window,
    window_of,
)

WINOGRAD_BLOCK_ROWS = 2

Shape = tuple[int, ...]


def _inner_batches(graph: Graph) -> str | None:
    for node in graph:
        shape = graph.type_of(node.inputs[0]).shape if _computes_images(node.op) else ()
        if len(shape) == 4 and shape[0] != 1:
            return f"'{node.name}' computes {shape[0]} images"
    return None


@graph_pass(ensures=(leaves(_inner_batches),))
def stack_inner_batches(graph: Graph) -> tuple[Graph, bool]:
    """Apply the rules of this file; see the module's docstring."""
    return rewrite(graph, _stacked)


def _stacked(index: GraphIndex, node: Node) -> Replacement | None:
    shape = index.graph.type_of(node.inputs[0]).shape if node.inputs else ()
    if len(shape) != 4 or shape[0] == 1 or not _computes_images(node.op):
        return None
    window = window_of(node.op)
    rewriting = _Rewriting(index, node)
    if window is None:
        return rewriting.stacked(node.op)
    tiling = _tiles_rows(node.op, window, shape[1], index.graph.type_of(node.output).shape[1])
    if tiling is not None:
        return rewriting.stacked(tiling)
    if isinstance(node.op, QConv2d | QWinogradConv2d | Conv2d | MaxPool):
        return rewriting.with_rows_between(window)
    return rewriting.one_by_one()


def _computes_images(op: Op) -> bool:
    """Whether devices give the operator one image at a time; others work on all elements as they lie."""
    return isinstance(op, Pixelwise) or window_of(op) is not None


def _tiles_rows(op: Op, window: Window, height: int, rows: int) -> Op | None:
    """The operator for stacked images if no window of it reaches from one image into the next; else None."""
    extent = (window.kernel[0] - 1) * window.dilations[0] + 1
    stride = height if rows == 1 else window.strides[0]
    fits = window.padding[0] == window.padding[2] == 0 and extent <= stride and rows * stride == height
    if not fits or isinstance(op, QWinogradConv2d):
        return None
    return _changed(op, window, window.padding, stride)


def _changed(op: Op, window: Window, padding: Padding, row_stride: int) -> Op:
    if isinstance(op, QWinogradConv2d):
        return replace(op, padding=padding)
    moved = replace(window, padding=padding, strides=(row_stride, window.strides[1]))
    return replace(op, window=moved)  # type: ignore[call-arg]  # of what has a window mypy knows no field


class _Rewriting:
    """Collects the nodes that take the place of one."""

    def __init__(self, index: GraphIndex, node: Node) -> None:
        self.index, self.node = index, node
        operands = (i for i in range(len(node.inputs)) if i not in node.op.parameters)
        self.images = [i for i in operands if i == 0 or self._is_image(i)]
        self.nodes: list[Node] = []

    def stacked(self, op: Op) -> Replacement:
        """Rules 1 and 2."""
        inputs = self._inputs([self._stack(self.node.inputs[i], self._shape(i)) for i in self.images])
        self._finish(op, inputs)
        return Replacement(tuple(self.nodes))

    def with_rows_between(self, window: Window) -> Replacement:
        """Rule 3."""
        op = self.node.op
        count, height, width, channels = self._shape(0)
        _, rows, columns, outputs = self.index.graph.type_of(self.node.output).shape
        top, left, bottom, right = window.padding
        stride = window.strides[0]
        multiple = WINOGRAD_BLOCK_ROWS if isinstance(op, QWinogradConv2d) else stride
        padded = -(-(height + top + bottom) // multiple) * multiple
        each = padded // stride
        x = self._pad(0, top, padded - height - top, self._nothing())
        operands = [self._stack(x, (count, padded, width, channels))]
        if len(self.images) > 1:
            residual = self._pad(self.images[1], 0, each - rows, 0)
            operands.append(self._stack(residual, (count, each, columns, outputs)))
        extent = (window.kernel[0] - 1) * window.dilations[0] + 1
        below = (0, left, max(0, extent - stride), right)
        whole = (count, each, columns, outputs)
        self._finish(_changed(op, window, below, stride), self._inputs(operands), whole, rows)
        return Replacement(tuple(self.nodes))

    def one_by_one(self) -> Replacement:
        """Rule 4."""
        count = self._shape(0)[0]
        parts = []
        for image in range(count):
            cuts = []
            for position in self.images:
                shape = self._shape(position)
                cut = Slice((image, 0, 0, 0), (image + 1, *shape[1:]), (1, 1, 1, 1))
                cuts.append(self._emit(f"image{image}_of_operand{position}", cut, self.node.inputs[position]))
            parts.append(self._emit(f"image{image}", self.node.op, *self._inputs(cuts)))
        self.nodes.append(Node(self.node.name, Concat(0), tuple(parts), self.node.output))
        return Replacement(tuple(self.nodes))

    def _is_image(self, position: int) -> bool:
        return len(self._shape(position)) == 4

    def _shape(self, position: int) -> Shape:
        return self.index.graph.type_of(self.node.inputs[position]).shape

    def _nothing(self) -> float:
        """What the padding of rows holds, in the operand's own units."""
        op = self.node.op
        if isinstance(op, QConv2d | QWinogradConv2d):
            return float(op.input_zero_point)
        floating = self.index.graph.type_of(self.node.inputs[0]).dtype is DType.F32
        return -math.inf if isinstance(op, MaxPool) and floating else 0.0

    def _pad(self, position: int, above: int, below: int, value: float) -> str:
        operand = self.node.inputs[position]
        if above == below == 0:
            return operand
        op = Pad((0, above, 0, 0), (0, below, 0, 0), value)
        return self._emit(f"rows_between_of_operand{position}", op, operand)

    def _stack(self, value: str, shape: Shape) -> str:
        count, height, width, channels = shape
        return self._emit(f"stacked{len(self.nodes)}", Reshape((1, count * height, width, channels)), value)

    def _inputs(self, images: Sequence[str]) -> tuple[str, ...]:
        replaced = dict(zip(self.images, images, strict=True))
        return tuple(replaced.get(i, value) for i, value in enumerate(self.node.inputs))

    def _finish(
        self, op: Op, inputs: Sequence[str], whole: Shape | None = None, rows: int | None = None
    ) -> None:
        """The node itself, and its result as the images that it was made of, of ``rows`` rows each."""
        shape = whole or self.index.graph.type_of(self.node.output).shape
        value = f"{self.node.output}/stacked"
        self.nodes.append(Node(self.node.name, op, tuple(inputs), value))
        apart = Reshape(shape)
        if rows is None or rows == shape[1]:
            self.nodes.append(
                Node(self.index.unused(f"{self.node.name}/apart"), apart, (value,), self.node.output)
            )
            return
        value = self._emit("apart", apart, value)
        kept = Slice((0, 0, 0, 0), (shape[0], rows, *shape[2:]), (1, 1, 1, 1))
        self.nodes.append(
            Node(self.index.unused(f"{self.node.name}/kept_rows"), kept, (value,), self.node.output)
        )

    def _emit(self, what: str, op: Op, *inputs: str) -> str:
        name = self.index.unused(f"{self.node.name}/{what}")
        value = self.index.unused(f"{self.node.output}/{what}")
        self.nodes.append(Node(name, op, inputs, value))
        return value
