"""Random graphs of integer operators, for hypothesis."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import strategies as st

from accelserve.kernels import ir
from accelserve.kernels.ir import Array, Graph
from tests.kernels.devices.integer_graphs import IntegerGraphBuilder

OPERATORS = ("conv", "grouped", "add", "affine", "lookup", "maximum", "average", "concat", "reshape", "slice")


@st.composite
def integer_graphs(draw: st.DrawFn, most_nodes: int = 8) -> tuple[Graph, Mapping[str, Array]]:
    """A connected graph of up to ``most_nodes`` steps over small images, and its feeds."""
    g = IntegerGraphBuilder(draw(st.integers(0, 2**16)))
    side = draw(st.integers(1, 9))
    values = [g.input(side, draw(st.integers(1, 9)), draw(st.integers(1, 40)))]
    values.append(_convolution(draw, g, values[0], values))  # a graph without any arithmetic is no network
    for _ in range(draw(st.integers(0, most_nodes))):
        x = draw(st.sampled_from(values))
        values.append(_step(draw, g, draw(st.sampled_from(OPERATORS)), x, values))
    read = {value for node in g.nodes for value in node.inputs}
    ends = [value for value in values if value not in read]
    more = draw(st.lists(st.sampled_from(values[1:]), max_size=2))
    outputs = {f"out{i}": value for i, value in enumerate(dict.fromkeys([*ends, *more]))}
    return g.graph(**outputs), g.feeds


def _step(draw: st.DrawFn, g: IntegerGraphBuilder, operator: str, x: str, values: list[str]) -> str:
    _, height, width, channels = g.shape(x)
    like = [value for value in values if g.shape(value) == g.shape(x)]
    beside = [value for value in values if g.shape(value)[:3] == g.shape(x)[:3]]
    if operator == "conv":
        return _convolution(draw, g, x, values)
    if operator == "grouped":
        groups = draw(st.sampled_from([d for d in range(1, channels + 1) if channels % d == 0]))
        outputs = groups * draw(st.integers(1, 3))
        return g.conv(x, outputs, 3, padding=1, groups=groups, input_zero_point=draw(st.integers(0, 255)))
    if operator == "add":
        return g.qadd(x, draw(st.sampled_from(like)))
    if operator == "affine":
        return g.affine(x)
    if operator == "maximum":
        return g.maximum(x, draw(st.integers(1, 3)), stride=draw(st.integers(1, 2)), padding=1)
    if operator == "average":
        return g.average(x, (draw(st.integers(1, height)), draw(st.integers(1, width))))
    if operator == "concat":
        return g.concat(3, x, *draw(st.lists(st.sampled_from(beside), min_size=1, max_size=3)))
    if operator == "reshape":
        return g.add(ir.Reshape((1, width, height, channels)), x)
    if operator == "slice":
        start = draw(st.integers(0, channels - 1))
        return g.add(ir.Slice((0, 0, 0, start), (1, height, width, channels), (1, 1, 1, 1)), x)
    return g.lookup(x)


def _convolution(draw: st.DrawFn, g: IntegerGraphBuilder, x: str, values: list[str]) -> str:
    _, height, width, _ = g.shape(x)
    dilation = draw(st.integers(1, 2))
    kernel = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    extents = [(k - 1) * dilation + 1 for k in kernel]
    needed = [max(0, e - s) for e, s in zip(extents, (height, width), strict=True)]
    above, left = (draw(st.integers(n // 2 + n % 2, n + 2)) for n in needed)
    below, right = (draw(st.integers(n // 2 + n % 2, n + 1)) for n in needed)
    outputs = draw(st.integers(1, 40))
    strides = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    padding = (above, left, below, right)
    window = ir.Window(kernel=kernel, strides=strides, padding=padding, dilations=(dilation, dilation))
    rows, columns = window.output_size(ir.MaxPool(window), (height, width))
    fitting = [v for v in values if g.shape(v) == (1, rows, columns, outputs)]
    return g.conv(
        x,
        outputs,
        kernel,
        stride=strides,
        padding=padding,
        dilation=dilation,
        input_zero_point=draw(st.integers(0, 255)),
        zero_point=draw(st.integers(0, 255)),
        gain=draw(st.sampled_from([0.1, 1.0, 30.0])),
        residual=draw(st.sampled_from(fitting)) if fitting else None,
        intermediate=draw(st.booleans()),
    )
