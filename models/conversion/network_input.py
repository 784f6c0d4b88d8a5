"""Whether preprocessing makes of pictures what a network reads."""

from __future__ import annotations

import numpy as np

from accelserve.kernels.ir import DType, TensorType
from accelserve.kernels.preprocess import PreprocessSpec
from accelserve.models.errors import ConversionError
from accelserve.models.importing import ImportedModel


def checked_input(imported: ImportedModel, spec: PreprocessSpec | None) -> TensorType:
    """The type of a network's one input, [1, H, W, C].

    Args:
        imported: the network.
        spec: how pictures become its input; None for one that is fed tensors.

    Raises:
        ConversionError: the network has another number of inputs or axes, or preprocessing makes pictures of another
            shape, or numbers that the file does not take.
    """
    inputs = imported.graph.inputs
    kinds = list(inputs.values())
    if len(kinds) != 1 or len(kinds[0].shape) != 4:
        listed = ", ".join(f"'{name}' {kind}" for name, kind in inputs.items())
        raise ConversionError(f"expected one image input [N, H, W, C], the network has {listed}")
    if spec is not None:
        _check_shape(kinds[0], spec)
        _check_pixels(imported, spec)
    return kinds[0]


def _check_shape(kind: TensorType, spec: PreprocessSpec) -> None:
    expected = (spec.crop_height, spec.crop_width, spec.channels)
    if kind.shape[1:] != expected:
        raise ConversionError(
            f"preprocessing makes pictures of {list(expected)} but the network reads {list(kind.shape[1:])} "
            f"(rows, columns, channels); {_channels_advice(kind.shape[3], spec)}"
        )


def _check_pixels(imported: ImportedModel, spec: PreprocessSpec) -> None:
    """What a file takes as integers has to arrive as integers: it normalizes them itself, and twice is wrong in silence."""
    ((name, kind),) = imported.graph.inputs.items()
    if kind.dtype is not DType.F32:
        raise ConversionError(
            f"the file's input '{name}' takes {kind.dtype.value} that is quantized already, and preprocessing makes float32; "
            "leave --preprocess out and send tensors, or export the network with a float32 input that it quantizes itself"
        )
    dtype = imported.integer_inputs.get(name)
    if dtype is None:
        return
    shift = -int(np.iinfo(dtype.value).min)
    if any(each != shift for each in spec.mean) or any(each != 1 for each in spec.scale):
        raise ConversionError(
            f"the file's input '{name}' takes pixels as {dtype.value} and normalizes them itself; preprocessing with mean "
            f"{list(spec.mean)} and scale {list(spec.scale)} would do it once more. Give a --preprocess with mean {shift} and "
            "scale 1"
        )


def _channels_advice(channels: int, spec: PreprocessSpec) -> str:
    if channels == spec.channels or channels not in {1, 3}:
        return "choose another --preprocess"
    if channels == 1:
        return (
            'for a network that reads grey, set "color_order" to "GRAY", and one number as "mean" and "scale"'
        )
    return '"color_order": "GRAY" is for networks of one channel; this one needs "RGB" or "BGR"'
