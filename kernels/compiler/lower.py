"""The pipeline: the only place where the order of passes lives."""

from __future__ import annotations

from collections.abc import Mapping

from accelserve.kernels.compiler.driver import Pass, run_pass, run_passes
from accelserve.kernels.compiler.passes.activations_to_uint8 import activations_to_uint8
from accelserve.kernels.compiler.passes.fold_affine_into_layer import fold_affine_into_layer
from accelserve.kernels.compiler.passes.fold_constants import fold_constants
from accelserve.kernels.compiler.passes.integer_inputs import input_quantization, integer_inputs
from accelserve.kernels.compiler.passes.lower_convolution import lower_convolution, lower_residual_convolution
from accelserve.kernels.compiler.passes.lower_elementwise import lower_elementwise
from accelserve.kernels.compiler.passes.lower_pointwise import lower_pointwise
from accelserve.kernels.compiler.passes.merge_equal_nodes import merge_equal_nodes
from accelserve.kernels.compiler.passes.move_dequantize_down import move_dequantize_down
from accelserve.kernels.compiler.passes.symmetric_weights import symmetric_weights
from accelserve.kernels.compiler.passes.use_winograd import winograd_pass
from accelserve.kernels.ir import Graph, WinogradTaps
from accelserve.kernels.program import Lowered

TO_INTEGERS: tuple[Pass, ...] = (
    activations_to_uint8,
    merge_equal_nodes,
    move_dequantize_down,
    symmetric_weights,
    fold_affine_into_layer,
    lower_residual_convolution,
    lower_convolution,
    lower_pointwise,
    lower_elementwise,
    fold_constants,
)


def lower(graph: Graph, winograd: Mapping[str, WinogradTaps] | None = None) -> Lowered:
    """Turn a float graph with Quantize and Dequantize nodes into one of integer operators.

    Every pass runs until nothing changes, in the order of ``TO_INTEGERS``. What no rule fits stays float32: a graph
    without a single Quantize comes back as it is.

    Args:
        graph: as an importer makes it: NHWC, float operators, Quantize and Dequantize.
        winograd: layers that shall compute in the Winograd domain -> how their taps are quantized; the others compute
            the file's own arithmetic.

    Raises:
        PlanError: ``winograd`` names a layer that is not there or that has no such form.
        PassError: a pass failed; see ``driver``.
    """
    graph = run_passes(graph, TO_INTEGERS)
    if winograd:
        graph = run_pass(graph, winograd_pass(winograd))
    return Lowered(run_pass(graph, integer_inputs), input_quantization(graph))
