"""A whole Keras model as an ONNX file; run as ``python -m`` in a process of its own, since it loads TensorFlow.

tf2onnx's own reader of Keras files sorts the outputs of a model by name and calls them ``Identity``, ``Identity_1``. Here
they keep the model's order and the names of the layers that make them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import onnx


def main(source: str, target: str, opset: str, *wanted: str) -> None:
    """Convert ``source``; of several outputs only those ``wanted`` by name, if any are.

    Raises:
        ValueError: the model has no output of a wanted name.
    """
    import keras
    import tensorflow as tf
    import tf2onnx

    model = keras.models.load_model(source, compile=False)
    names = unique([str(name) for name in getattr(model, "output_names", ())])
    chosen = positions(names, wanted)

    def answer(*inputs: Any) -> list[Any]:
        outputs = keras.tree.flatten(model(inputs[0] if len(inputs) == 1 else list(inputs), training=False))
        return [outputs[position] for position in chosen] if names else outputs

    signature = [tf.TensorSpec(given.shape, given.dtype, given.name) for given in model.inputs]
    written, _ = tf2onnx.convert.from_function(
        tf.function(answer, input_signature=signature), input_signature=signature, opset=int(opset)
    )
    rename_outputs(written.graph, [names[position] for position in chosen])
    onnx.save(written, target)


def unique(names: Sequence[str]) -> list[str]:
    """The names, later ones of the same name numbered."""
    found: list[str] = []
    for name in names:
        numbered = (name, *(f"{name}_{number}" for number in range(1, len(names) + 1)))
        found.append(next(each for each in numbered if each not in found))
    return found


def positions(names: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Where the wanted outputs stand; all of them if none is named."""
    if unknown := [name for name in wanted if name not in names]:
        raise ValueError(f"there is no output {', '.join(unknown)}; the model has {', '.join(names)}")
    return [names.index(name) for name in wanted] if wanted else list(range(len(names)))


def rename_outputs(graph: onnx.GraphProto, names: Sequence[str]) -> None:
    """Give the graph's outputs ``names``, in order, by an Identity each: whatever else reads them stays as it is."""
    taken = {value for node in graph.node for value in (*node.input, *node.output)}
    for output, name in zip(graph.output, names, strict=False):
        if name not in taken:
            graph.node.append(onnx.helper.make_node("Identity", [output.name], [name], f"{name}/output"))
            output.name = name


if __name__ == "__main__":
    main(*sys.argv[1:])
