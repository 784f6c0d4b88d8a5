"""Quantize and Dequantize nodes into a float graph, and weights to integers: the QDQ form that runtimes fuse."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.ir import (
    Array,
    ChannelAffine,
    Concat,
    Conv2d,
    Dequantize,
    Graph,
    Node,
    Quantize,
    QuantParams,
)
from accelserve.models.quantize.bias_correction import corrected_bias
from accelserve.models.quantize.compensated_rounding import damped
from accelserve.models.quantize.input_moments import InputMoments
from accelserve.models.quantize.placement import Placement
from accelserve.models.quantize.weights import quantize_weights


def insert(
    graph: Graph,
    placement: Placement,
    params: Mapping[str, QuantParams],
    means: Mapping[str, NDArray[np.float64]] | None = None,
    moments: Mapping[str, InputMoments] | None = None,
) -> Graph:
    """The quantized graph.

    Every quantized value is followed by Quantize and Dequantize, and whoever read it reads the latter; public outputs
    too, so that they are what the integer network computes. A concatenation that only affine maps and further
    concatenations read (DenseNet's) stays without: its parts hold its own scale already, so the nodes would change
    nothing, and OpenVINO 2026.4 crashes on a chain of them.

    Args:
        graph: float, simplified.
        placement: what is quantized.
        params: quantized value -> parameters.
        means: quantized value -> mean of every channel; biases are corrected by them if they are given.
        moments: layer -> moments of its input; those layers' weights are rounded so as to compensate each other.
    """
    return _Inserter(graph, placement, params, means or {}, moments or {}).graph()


class _Inserter:
    def __init__(
        self,
        graph: Graph,
        placement: Placement,
        params: Mapping[str, QuantParams],
        means: Mapping[str, NDArray[np.float64]],
        moments: Mapping[str, InputMoments],
    ) -> None:
        self._means = means
        self._moments = moments
        self._graph = graph
        self._placement = placement
        self._params = params
        self._nodes: list[Node] = []
        self._constants: dict[str, Array] = dict(graph.constants)
        self._taken = {*graph.inputs, *graph.constants, *(node.output for node in graph)}
        self._taken_by_nodes = {node.name for node in graph}
        self._followers: dict[str, str] = {}
        self._joined = _joined_values(graph, placement)
        self._not_to_replace = _read_as_they_are(graph, placement)

    def graph(self) -> Graph:
        for value in self._graph.inputs:
            self._follow(value)
        for node in self._graph:
            inputs = tuple(self._read(value) for value in node.inputs)
            if node.name in self._placement.layers:
                inputs = (inputs[0], *self._weights(node))
            self._nodes.append(Node(node.name, node.op, inputs, node.output))
            self._follow(node.output)
        outputs = {public: self._read(value) for public, value in self._graph.outputs.items()}
        whole = Graph(self._graph.inputs, tuple(self._nodes), self._constants, outputs)
        return whole.with_nodes(whole.nodes)

    def _read(self, value: str) -> str:
        return self._followers.get(value, value)

    def _is_followed(self, value: str) -> bool:
        return value in self._params and value not in self._joined

    def _follow(self, value: str) -> None:
        if not self._is_followed(value):
            return
        params = self._params[value]
        scale = self._constant(f"{value}/scale", np.array(params.scale, np.float32))
        zero_point = self._constant(f"{value}/zero_point", np.array(params.zero_point, np.uint8))
        codes, back = self._unused(f"{value}/quantized"), self._unused(f"{value}/dequantized")
        self._followers[value] = back
        self._nodes.append(Node(codes, Quantize(), (value, scale, zero_point), codes))
        self._nodes.append(Node(back, Dequantize(), (codes, scale, zero_point), back))

    def _weights(self, node: Node) -> list[str]:
        """Names of the layer's dequantized weights and, if it has one, bias."""
        arrays = [np.asarray(self._graph.constants[value], np.float32) for value in node.inputs[1:]]
        bias = arrays[1] if len(arrays) == 2 else None
        scale = self._params[node.inputs[0]].scale
        means = self._means.get(node.inputs[0])
        integers = quantize_weights(arrays[0], bias, scale, self._hessian(node, corrects=means is not None))
        if means is not None:
            before = np.zeros(len(arrays[0]), np.float32) if bias is None else bias
            groups = node.op.groups if isinstance(node.op, Conv2d) else 1
            bias = corrected_bias(arrays[0], integers, before, means, groups)
            integers = integers.with_bias(bias)
        made = [self._stored(node, 1, integers.weights, integers.scale)]
        if bias is not None:
            made.append(self._stored(node, 2, integers.bias, integers.bias_scale))
        return made

    def _hessian(self, node: Node, *, corrects: bool) -> NDArray[np.float64] | None:
        """Of the error of a layer's sums; a bias that takes the error's mean back leaves its variance."""
        moments = self._moments.get(node.name)
        if moments is None or moments.is_singular:
            return None
        # Rounding to steps of 1 adds a variance of 1 / 12.
        variance = self._params[node.inputs[0]].scale ** 2 / 12
        return damped(moments.covariance() if corrects else moments.second_moment(), variance)

    def _stored(self, node: Node, position: int, codes: Array, scale: Array) -> str:
        name = self._integers(node, position, codes)
        zeros = np.zeros(scale.shape, codes.dtype)
        operands = (
            name,
            self._constant(f"{name}/scale", scale),
            self._constant(f"{name}/zero_point", zeros),
        )
        result = self._unused(f"{name}/dequantized")
        self._nodes.append(Node(result, Dequantize(0), operands, result))
        return result

    def _integers(self, node: Node, position: int, codes: Array) -> str:
        """Name of a layer's integers: that of its constant, if no one needs it as it was or in other units."""
        own = node.inputs[position] if position < len(node.inputs) else None
        if own is None or own in self._not_to_replace:
            return self._constant(f"{node.name}/{'weight' if position == 1 else 'bias'}", codes)
        self._not_to_replace.add(own)
        self._constants[own] = codes
        return own

    def _unused(self, name: str) -> str:
        """A name for a node and its result, ``name`` unless the network has one of that name."""
        while name in self._taken or name in self._taken_by_nodes:
            name = f"{name}.quantization"
        self._taken.add(name)
        return name

    def _constant(self, name: str, array: Array) -> str:
        """Add a constant and return its name, which differs from ``name`` where the network has one of that name."""
        while name in self._taken:
            name = f"{name}.quantization"
        self._taken.add(name)
        self._constants[name] = array
        return name


def _read_as_they_are(graph: Graph, placement: Placement) -> set[str]:
    """Values that something else than a quantized layer's weights or bias is: an operand elsewhere, or a result."""
    read = set(graph.outputs.values())
    for node in graph:
        read.update(node.inputs[:1] if node.name in placement.layers else node.inputs)
    return read


def _joined_values(graph: Graph, placement: Placement) -> frozenset[str]:
    """Results of concatenations whose parts share their scale and whose readers are affine maps or concatenations."""
    readers = graph.consumers()
    joined: set[str] = set()
    for node in graph:
        values = (node.output, *node.inputs)
        if not isinstance(node.op, Concat) or any(value not in placement.group_of for value in values):
            continue
        one_scale = len({placement.group_of[value] for value in values}) == 1
        behind = readers.get(node.output, [])
        if one_scale and behind and all(isinstance(reader.op, ChannelAffine | Concat) for reader in behind):
            joined.add(node.output)
    return frozenset(joined - set(graph.outputs.values()))
