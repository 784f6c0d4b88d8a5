"""Whether a file's image input is NCHW or NHWC, which ONNX does not say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from accelserve.models.importing.onnx_file import OnnxNode

_TO_NCHW = (0, 3, 1, 2)
_READS_NCHW = frozenset(("Conv", "MaxPool", "AveragePool", "GlobalAveragePool", "BatchNormalization"))
_ELEMENTWISE = frozenset(
    (
        "Add",
        "Cast",
        "Clip",
        "DequantizeLinear",
        "Div",
        "Identity",
        "Mul",
        "Pad",
        "QuantizeLinear",
        "Relu",
        "Sub",
    )
)
_PICTURE_CHANNELS = frozenset((1, 3))


def image_layout(name: str, shape: Sequence[int], readers: Mapping[str, list[OnnxNode]]) -> str:
    """``NHWC`` if the image is transposed to NCHW before anything that has a layout reads it, else ``NCHW``.

    A transpose alone is weak evidence: a network of another layout may move its axes in the same way for reasons of its
    own. Where the sizes say NCHW, as in [1, 3, 8, 4], only one that a layer with a layout reads counts.

    Args:
        name: of the input.
        shape: its four sizes, as in the file.
        readers: value -> the nodes that read it.
    """
    first = _first_reached(name, readers)
    if first is None or not _is_to_nchw(first):
        return "NCHW"
    sizes_say_nchw = shape[1] in _PICTURE_CHANNELS and shape[3] not in _PICTURE_CHANNELS
    return "NCHW" if sizes_say_nchw and not _feeds_a_layer(name, readers) else "NHWC"


def _is_to_nchw(node: OnnxNode) -> bool:
    return node.op == "Transpose" and node.attributes.get("perm") == _TO_NCHW


def _first_reached(name: str, readers: Mapping[str, list[OnnxNode]]) -> OnnxNode | None:
    """The node nearest to the input that reads a layout, or moves axes."""
    waiting, seen = [name], {name}
    while waiting:
        for node in readers.get(waiting.pop(0), ()):
            if node.op in _READS_NCHW or node.op in {"Transpose", "Reshape"}:
                return node
            new = [output for output in node.outputs if output not in seen]
            seen.update(new)
            waiting.extend(new)
    return None


def _feeds_a_layer(name: str, readers: Mapping[str, list[OnnxNode]]) -> bool:
    """Whether nothing but elementwise operators and a transpose to NCHW stand between the input and a layer of NCHW."""
    waiting, seen = [(name, False)], {name}
    while waiting:
        value, transposed = waiting.pop(0)
        for node in readers.get(value, ()):
            if node.op in _READS_NCHW and transposed:
                return True
            turns = _is_to_nchw(node) and not transposed
            if turns or node.op in _ELEMENTWISE:
                new = [output for output in node.outputs if output not in seen]
                seen.update(new)
                waiting.extend((output, transposed or turns) for output in new)
    return False
