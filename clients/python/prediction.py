"""Arguments -> PredictRequest, PredictResponse -> arrays. No network in here; both clients use it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy.typing as npt

from accelserve.client.errors import UnexpectedResponseError
from accelserve.protos import google_protobuf
from accelserve.protos import tensorflow as tf
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.errors import TensorError
from accelserve.protos.string_tensors import fill
from accelserve.protos.tensors import Array, from_array, from_content, from_strings, to_array

Scores: TypeAlias = Array | dict[str, Array]
"""One output: its array. Several: arrays by name, in the order they were asked for."""
RawTensor: TypeAlias = tuple[bytes | Sequence[bytes], Sequence[int], int]
"""Data, shape and TensorFlow dtype, as the Azure SDK's `score_tensors` takes them. The data are little-endian elements;
for DT_STRING one string or a sequence of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSelection:
    """Which model answers.

    Attributes:
        name: empty is the server's only or default model.
        version: None is the newest that is available.
        version_label: instead of a version; empty is none.
        signature_name: empty is `serving_default`.
    """

    name: str = ""
    version: int | None = None
    version_label: str = ""
    signature_name: str = ""

    def __post_init__(self) -> None:
        if self.version is not None and self.version_label:
            raise ValueError(
                f"Either a version or a label selects, got version {self.version} and label {self.version_label!r}."
            )

    def spec(self) -> serving.ModelSpec:
        """The message for it."""
        spec = serving.ModelSpec(name=self.name, signature_name=self.signature_name)
        if self.version is not None:
            spec.version.CopyFrom(google_protobuf.Int64Value(value=self.version))
        elif self.version_label:
            spec.version_label = self.version_label
        return spec


def images_request(
    images: Sequence[bytes], *, input_name: str, model: ModelSelection, outputs: str | Sequence[str] | None
) -> serving.PredictRequest:
    """A request for encoded images: a string tensor of shape [len(images)].

    Raises:
        ValueError: no images.
        TypeError: an image is not bytes.
    """
    if not images:
        raise ValueError("images: expected at least one.")
    for index, image in enumerate(images):
        if not isinstance(image, bytes):
            kind = type(image).__name__
            raise TypeError(f"images[{index}]: expected the bytes of an encoded image, got {kind}.")
    wanted = (outputs,) if isinstance(outputs, str) else tuple(outputs or ())
    request = serving.PredictRequest.FromString(_images_head(input_name, len(images), model, wanted))
    request.inputs[input_name].string_val.extend(images)
    return request


@lru_cache(maxsize=64)
def _images_head(input_name: str, count: int, model: ModelSelection, outputs: tuple[str, ...]) -> bytes:
    """A request without its images, which are all that differs from one to the next as a rule."""
    request = _request({}, model, outputs)
    fill(request.inputs[input_name], (), (count,))
    return request.SerializeToString()


def arrays_request(
    arrays: Mapping[str, npt.ArrayLike], *, model: ModelSelection, outputs: str | Sequence[str] | None
) -> serving.PredictRequest:
    """A request for arrays.

    Raises:
        TensorDtypeError: TensorFlow has no such dtype.
    """
    # Raw bytes: a quarter of the time and never more room than the typed fields.
    tensors = {name: from_array(array, as_content=True) for name, array in arrays.items()}
    return _request(tensors, model, outputs)


def tensors_request(
    tensors: Mapping[str, RawTensor], *, model: ModelSelection, outputs: str | Sequence[str] | None
) -> serving.PredictRequest:
    """A request for data with shape and dtype.

    Raises:
        TensorError: data, shape and dtype do not fit each other.
    """
    return _request({name: _tensor(*raw) for name, raw in tensors.items()}, model, outputs)


def _tensor(data: bytes | Sequence[bytes], shape: Sequence[int], dtype: int) -> tf.TensorProto:
    if dtype == tf.DT_STRING:
        return from_strings([data] if isinstance(data, bytes) else data, shape)
    return from_content(data if isinstance(data, bytes) else b"".join(data), shape, dtype)


def _request(
    inputs: Mapping[str, tf.TensorProto], model: ModelSelection, outputs: str | Sequence[str] | None
) -> serving.PredictRequest:
    wanted = [outputs] if isinstance(outputs, str) else list(outputs or ())
    return serving.PredictRequest(model_spec=model.spec(), inputs=inputs, output_filter=wanted)


def scores(
    response: serving.PredictResponse, outputs: str | Sequence[str] | None, *, limit_bytes: int
) -> Scores:
    """The arrays of a response.

    Args:
        response: of a request for the same `outputs`.
        outputs: a name gives an array; names give a dict in their order; None gives an array if there is one output
            and a dict sorted by name otherwise.
        limit_bytes: bytes that one array may take.

    Returns:
        Arrays that the caller may write to.

    Raises:
        UnexpectedResponseError: an output is missing or cannot be read, or there are none at all.
    """
    if isinstance(outputs, str):
        return _output(response, outputs, limit_bytes)
    # A map on the wire has no order; sorting makes the same answer look the same every time.
    names = list(outputs) if outputs else sorted(response.outputs)
    if not names:
        raise UnexpectedResponseError("The response has no outputs.")
    if not outputs and len(names) == 1:
        return _output(response, names[0], limit_bytes)
    return {name: _output(response, name, limit_bytes) for name in names}


def _output(response: serving.PredictResponse, name: str, limit_bytes: int) -> Array:
    if name not in response.outputs:
        present = ", ".join(sorted(response.outputs))
        raise UnexpectedResponseError(
            f"The response has no output {name!r}, only {{{present}}}.", output=name
        )
    try:
        array = to_array(response.outputs[name], limit_bytes=limit_bytes)
    except TensorError as error:
        raise UnexpectedResponseError(f"Output {name!r} cannot be read: {error}", output=name) from error
    return array if array.flags.writeable else array.copy()


def without_batch(result: Scores) -> Scores:
    """The same with the first dimension removed from every output in which it is 1."""
    if isinstance(result, dict):
        return {name: _first(array) for name, array in result.items()}
    return _first(result)


def _first(array: Array) -> Array:
    return array.reshape(array.shape[1:]) if array.ndim and array.shape[0] == 1 else array
