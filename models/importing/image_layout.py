"""Whether a file's image input is NCHW or NHWC, which ONNX does not say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from accelserve.models.importing.onnx_file import OnnxNode

_TO_NCHW = (0, 3, 1, 2)
READS_NCHW = frozenset(
    ["AveragePool", "BatchNormalization", "Conv", "GlobalAveragePool", "GlobalMaxPool", "LRN", "MaxPool"]
)
"""Operators whose first operand is N x C x H x W, as ONNX defines them."""
ELEMENTWISE = frozenset(
    [
        "Add",
        "Cast",
        "Clip",
        "DequantizeLinear",
        "Div",
        "Dropout",
        "HardSigmoid",
        "HardSwish",
        "Identity",
        "LeakyRelu",
        "Max",
        "Min",
        "Mul",
        "Neg",
        "PRelu",
        "Pad",
        "Pow",
        "QuantizeLinear",
        "Reciprocal",
        "Relu",
        "Sigmoid",
        "Sqrt",
        "Sub",
        "Sum",
        "Tanh",
    ]
)
"""Operators that mean the same whichever axis the channels stand on."""
_PICTURE_CHANNELS = frozenset((1, 3))


def image_layout(name: str, shape: Sequence[int], readers: Mapping[str, list[OnnxNode]]) -> str:
    """``NCHW`` or ``NHWC``, by what reads the image.

    Convolutions and pools read NCHW: one behind nothing but elementwise operators says NCHW, one behind those and a
    transpose to NCHW says NHWC. Without either, such a transpose is weak evidence, since a network of another layout
    may move its axes in the same way for reasons of its own: it counts unless the sizes say NCHW, as in [1, 3, 8, 4].

    Args:
        name: of the input.
        shape: its four sizes, as in the file.
        readers: value -> the nodes that read it.
    """
    transposed = _layers_read_it_transposed(name, readers)
    if transposed:
        return "NHWC" if transposed == {True} else "NCHW"
    sizes_say_nchw = shape[1] in _PICTURE_CHANNELS and shape[3] not in _PICTURE_CHANNELS
    first = _first_reached(name, readers)
    return "NCHW" if first is None or not _is_to_nchw(first) or sizes_say_nchw else "NHWC"


def _layers_read_it_transposed(name: str, readers: Mapping[str, list[OnnxNode]]) -> set[bool]:
    """Whether layers of NCHW read the image behind a transpose to NCHW, and whether they do without; empty for none."""
    found = set()
    waiting, seen = [(name, False)], {name}
    while waiting:
        value, transposed = waiting.pop()
        for node in readers.get(value, ()):
            if node.op in READS_NCHW:
                found.add(transposed)
            turns = _is_to_nchw(node) and not transposed
            if turns or node.op in ELEMENTWISE:
                new = [output for output in node.outputs if output not in seen]
                seen.update(new)
                waiting.extend((output, transposed or turns) for output in new)
    return found


def _first_reached(name: str, readers: Mapping[str, list[OnnxNode]]) -> OnnxNode | None:
    """The node nearest to the input that reads a layout, or moves axes."""
    waiting, seen = [name], {name}
    while waiting:
        for node in readers.get(waiting.pop(0), ()):
            if node.op in READS_NCHW or node.op in {"Transpose", "Reshape"}:
                return node
            new = [output for output in node.outputs if output not in seen]
            seen.update(new)
            waiting.extend(new)
    return None


def _is_to_nchw(node: OnnxNode) -> bool:
    return node.op == "Transpose" and node.attributes.get("perm") == _TO_NCHW
