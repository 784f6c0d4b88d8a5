"""The network's input arrives quantized.

1. A float32 graph input whose every reader is a Quantize with the same per-tensor uint8 parameters
   -> a uint8 graph input of the same name, the Quantize nodes gone. The parameters go beside the graph, for the
   preprocessing stage, which quantizes by QuantizeLinear's own arithmetic.
"""

from __future__ import annotations

from accelserve.kernels.compiler.driver import graph_pass, leaves
from accelserve.kernels.compiler.rewriting import GraphIndex, substitute
from accelserve.kernels.ir import DType, Graph, Quantize, QuantParams, TensorType


def input_quantization(graph: Graph) -> dict[str, QuantParams]:
    """Input name -> its parameters, for the inputs that the rule of this file makes uint8."""
    index = GraphIndex(graph)
    quantization: dict[str, QuantParams] = {}
    for name in graph.inputs:
        readers = index.consumers.get(name, [])
        params = {index.params(reader) if isinstance(reader.op, Quantize) else None for reader in readers}
        only = params.pop() if len(params) == 1 else None
        if only is not None and name not in graph.outputs.values():
            quantization[name] = only
    return quantization


def _quantized_twice(graph: Graph) -> str | None:
    left = input_quantization(graph)
    return f"the inputs {sorted(left)} are still quantized by the graph" if left else None


@graph_pass(ensures=(leaves(_quantized_twice),))
def integer_inputs(graph: Graph) -> tuple[Graph, bool]:
    """Apply the rule of this file to every input."""
    stored = input_quantization(graph)
    if not stored:
        return graph, False
    inputs = {k: TensorType(t.shape, DType.U8 if k in stored else t.dtype) for k, t in graph.inputs.items()}
    same = {reader.output: reader.inputs[0] for reader in graph if reader.inputs[0] in stored}
    return substitute(graph, same, inputs), True
