"""Finds the pictures in a request. The wording of the faults is TensorFlow Serving's, since clients search for it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelserve.server.dataplane.servable import Array, Signature, TensorSpec
from accelserve.server.errors import InvalidRequestError

# numpy's name -> TensorFlow's, where they differ.
_TENSORFLOW_NAMES = {"float32": "float", "float64": "double", "float16": "half", "object": "string"}


@dataclass(frozen=True, slots=True)
class EncodedImages:
    """Pictures as files.

    Attributes:
        alias: the input's name as the caller sent it.
        images: at least one.
    """

    alias: str
    images: Sequence[bytes]

    @property
    def count(self) -> int:
        """How many."""
        return len(self.images)


@dataclass(frozen=True, slots=True)
class PreparedImages:
    """Pictures that the caller decoded and preprocessed.

    Attributes:
        alias: the input's name as the caller sent it.
        tensor: float32 [N, H, W, C], N at least 1.
    """

    alias: str
    tensor: NDArray[np.float32]

    @property
    def count(self) -> int:
        """How many."""
        return int(self.tensor.shape[0])


Images = EncodedImages | PreparedImages


@dataclass(frozen=True, slots=True)
class Strings:
    """An input of strings, which saves making an array of objects of them.

    Attributes:
        shape: dimensions.
        values: as many as the shape says, row by row.
    """

    shape: tuple[int, ...]
    values: Sequence[bytes]


Input = Array | Strings


def images_of(
    signature: Signature, inputs: Mapping[str, Input], input_shape: tuple[int, int, int], max_images: int
) -> Images:
    """The request's pictures, checked.

    Args:
        signature: what the model takes.
        inputs: name (alias or tensor name) -> strings, or an object array of bytes, [], [N] or [N, 1]; or float32
            [N, H, W, C] or [N, C, H, W].
        input_shape: H, W, C.
        max_images: in one request.

    Raises:
        InvalidRequestError: number, name, dtype or shape of the inputs do not fit.
    """
    sent_as, spec = _sole_input(signature, inputs)
    tensor = inputs[sent_as]
    if isinstance(tensor, Strings):
        dtype = "object"
    elif tensor.dtype == np.float32:
        return _prepared(sent_as, tensor, input_shape, max_images)
    else:
        dtype = tensor.dtype.name
    if dtype == "object" and spec.dtype == "string":
        return _encoded(sent_as, tensor, max_images)
    raise InvalidRequestError(
        f"Expects arg[0] to be {tensorflow_name(spec.dtype)} but {tensorflow_name(dtype)} is provided"
    )


def matches(asked: str, alias: str, spec: TensorSpec) -> bool:
    """Whether a name in a request means this tensor: its alias, or its own name with or without ``:0``."""
    return asked == alias or asked == spec.name or f"{asked}:0" == spec.name or asked == f"{spec.name}:0"


def tensorflow_name(dtype: str) -> str:
    """TensorFlow's name of a numpy dtype: ``float32`` -> ``float``."""
    return _TENSORFLOW_NAMES.get(dtype, dtype)


def _sole_input(signature: Signature, inputs: Mapping[str, Input]) -> tuple[str, TensorSpec]:
    expected = signature.inputs
    if len(inputs) == len(expected) == 1:
        (sent,) = inputs
        spec = expected.get(sent)
        if spec is not None:
            return sent, spec
    # Tensor names count as their aliases, so that set differences speak of what is really missing.
    known = {sent: alias for sent in inputs for alias, spec in expected.items() if matches(sent, alias, spec)}
    if len(inputs) != len(expected):
        extra = sorted(set(inputs) - set(known))
        missing = sorted(set(expected) - set(known.values()))
        raise InvalidRequestError(
            f"input size does not match signature: {len(inputs)}!={len(expected)} "
            f"len({_braced(inputs)}) != len({_braced(expected)}). "
            f"Sent extra: {_braced(extra)}. Missing but required: {_braced(missing)}."
        )
    for sent in inputs:
        if sent not in known:
            raise InvalidRequestError(
                f"input tensor alias not found in signature: {sent}. "
                f"Inputs expected to be in the set {_braced(expected)}."
            )
    sent, alias = next(iter(known.items()))
    return sent, expected[alias]


def _encoded(alias: str, tensor: Input, max_images: int) -> EncodedImages:
    shape = tensor.shape
    if len(shape) > 2 or (len(shape) == 2 and shape[1] != 1):
        raise InvalidRequestError(
            f"input '{alias}' holds encoded images and has shape {list(shape)}; expected [], [N] or [N,1]"
        )
    _check_count(alias, math.prod(shape), max_images)
    return EncodedImages(alias, tensor.values if isinstance(tensor, Strings) else tensor.reshape(-1).tolist())


def _prepared(
    alias: str, tensor: Array, input_shape: tuple[int, int, int], max_images: int
) -> PreparedImages:
    height, width, channels = input_shape
    # Where both orders fit, as in [N,3,3,3], the signature's counts.
    if tensor.shape[1:] == (channels, height, width) != input_shape:
        tensor = tensor.transpose(0, 2, 3, 1)
    if tensor.shape[1:] != input_shape:
        raise InvalidRequestError(
            f"input '{alias}' holds preprocessed images and has shape {list(tensor.shape)}; expected "
            f"[N,{height},{width},{channels}], or channels first: [N,{channels},{height},{width}]"
        )
    _check_count(alias, tensor.shape[0], max_images)
    return PreparedImages(alias, np.ascontiguousarray(tensor, np.float32))


def _check_count(alias: str, count: int, max_images: int) -> None:
    if count == 0:
        raise InvalidRequestError(f"input '{alias}' holds no images; send at least one")
    if count > max_images:
        raise InvalidRequestError(
            f"input '{alias}' holds {count} images; at most {max_images} are taken in one request, split it"
        )


def _braced(names: Mapping[str, object] | Sequence[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"
