"""The network's input arrives quantised.

1. A float32 graph input whose every reader is a Quantize with the same per-tensor uint8 parameters
   -> a uint8 graph input of the same name, the Quantize nodes gone. The parameters go beside the graph, for the
   preprocessing stage, which quantises by QuantizeLinear's own arithmetic.
"""

from __future__ import annotations

from accelserve.kernels.compiler.rewriting import GraphIndex, substitute
from accelserve.kernels.ir import DType, Graph, Quantize, QuantParams, TensorType


def integer_inputs(graph: Graph) -> tuple[Graph, dict[str, QuantParams]]:
    """Apply the rule of this file to every input.

    Returns:
        The graph, and input name -> its parameters for the inputs that became uint8.
    """
    index = GraphIndex(graph)
    quantization: dict[str, QuantParams] = {}
    same: dict[str, str] = {}
    for name in graph.inputs:
        readers = index.consumers.get(name, [])
        params = {index.params(reader) if isinstance(reader.op, Quantize) else None for reader in readers}
        only = params.pop() if len(params) == 1 else None
        if only is None or name in graph.outputs.values():
            continue
        quantization[name] = only
        same.update({reader.output: name for reader in readers})
    if not quantization:
        return graph, quantization
    inputs = {
        k: TensorType(t.shape, DType.U8 if k in quantization else t.dtype) for k, t in graph.inputs.items()
    }
    return substitute(graph, same, inputs), quantization
