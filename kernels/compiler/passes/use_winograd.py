"""Chosen 3x3 convolutions compute in the Winograd domain.

1. ``QConv2d`` that is named and has a form for it (``has_winograd_form``) -> ``QWinogradConv2d`` with the given taps.

Weights are transformed and rounded here, from the int8 weights of the file: tap (i, j) of ``G w G^T`` is divided by the
greatest magnitude of its output channel over 127 and rounded half to even. So a servable need only say how its inputs'
taps are quantized, and its ONNX file stays what it is.
Pre: weights, bias and scale are constants. Another arithmetic: results differ from those of the exact graph.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.compiler.driver import Pass, leaves
from accelserve.kernels.compiler.rewriting import GraphIndex, Replacement, rewrite
from accelserve.kernels.errors import PlanError
from accelserve.kernels.ir import Array, Graph, Node, Op, QConv2d, QWinogradConv2d, WinogradTaps

_TWICE_G = np.array([[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]], np.int64)
"""Twice the weights' transform, so that it is of integers."""
_GREATEST = 127


def has_winograd_form(op: Op) -> bool:
    """Whether a layer slides a dense 3x3 window by single pixels."""
    if not isinstance(op, QConv2d) or op.groups != 1:
        return False
    window = op.window
    return window.kernel == (3, 3) and window.strides == window.dilations == (1, 1)


def use_winograd(graph: Graph, layers: Mapping[str, WinogradTaps]) -> tuple[Graph, bool]:
    """Apply the rule of this file.

    Args:
        graph: lowered to integer operators.
        layers: node name -> how its input's taps are quantized.

    Raises:
        PlanError: a name is of no node, or of one that has no such form.
    """
    if not layers:
        return graph, False
    nodes = {node.name: node for node in graph}
    for name in layers:
        if name not in nodes:
            raise PlanError(f"no layer is named '{name}', which should use the Winograd domain")
        if not has_winograd_form(nodes[name].op):
            raise PlanError(
                f"'{name}' ({nodes[name].op.label}) is no 3x3 convolution at stride 1 of one group"
            )

    def rule(index: GraphIndex, node: Node) -> Replacement | None:
        return _transformed(index, node, layers[node.name]) if node.name in layers else None

    return rewrite(graph, rule)


def winograd_pass(layers: Mapping[str, WinogradTaps]) -> Pass:
    """``use_winograd`` of some layers, for the driver."""

    def others(graph: Graph) -> str | None:
        found = {node.name for node in graph if isinstance(node.op, QWinogradConv2d)}
        return None if found == layers.keys() else f"{sorted(found ^ layers.keys())} are in the wrong domain"

    return Pass(
        "use_winograd", lambda graph: use_winograd(graph, layers), ensures=(leaves(others),), repeats=False
    )


def _transformed(index: GraphIndex, node: Node, taps: WinogradTaps) -> Replacement:
    op = node.op
    operands = [index.constant(value) for value in node.inputs[1:4]]
    if not isinstance(op, QConv2d) or any(operand is None for operand in operands):
        raise PlanError(f"'{node.name}' has weights that are not constant, so they cannot be transformed")
    weights, bias, scale = (np.asarray(operand) for operand in operands)
    integers, unit = transformed_weights(weights)
    multipliers = np.array(taps.multipliers, np.float64).reshape(4, 4)
    # The bias holds the input's zero point, which transformed patches do not.
    sums = weights.astype(np.int64).sum(axis=(1, 2, 3))
    plain = bias.astype(np.float64) + float(op.input_zero_point) * sums
    constants: dict[str, Array] = {
        index.unused(f"{node.name}/transformed_weights"): integers,
        index.unused(f"{node.name}/tap_scale"): np.asarray(
            scale.astype(np.float64)[:, None, None] * unit * (32768.0 / multipliers), np.float32
        ),
        index.unused(f"{node.name}/float_bias"): np.asarray(plain * scale.astype(np.float64), np.float32),
    }
    made = QWinogradConv2d(op.window.padding, op.input_zero_point, taps, op.epilogue)
    return Replacement(
        (Node(node.name, made, (node.inputs[0], *constants, *node.inputs[4:]), node.output),), constants
    )


def transformed_weights(weights: NDArray[np.int8]) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Weights of taps and the unit that each output channel's are counted in.

    Args:
        weights: [K, 3, 3, C].

    Returns:
        int8 [K, 4, 4, C], and float64 [K, 4, 4]: their product is ``G w G^T`` up to rounding.
    """
    four_times = np.einsum("ir,krsc,js->kijc", _TWICE_G, weights.astype(np.int64), _TWICE_G, optimize=True)
    greatest = np.abs(four_times).max(axis=3)
    greatest[greatest == 0] = 1
    integers = np.rint(four_times * float(_GREATEST) / greatest[..., None].astype(np.float64))
    return integers.astype(np.int8), greatest / (4.0 * _GREATEST)


__all__ = ["has_winograd_form", "transformed_weights", "use_winograd", "winograd_pass"]
