"""Messages to the data plane's terms and back. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from accelserve.protos import google_protobuf, tensors
from accelserve.protos import tensorflow as tf
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.errors import TensorError
from accelserve.protos.wire import delimited, delimited_head
from accelserve.server.core.registry import ModelChoice
from accelserve.server.core.servable import ServableId
from accelserve.server.dataplane.inputs import Input, Strings
from accelserve.server.dataplane.servable import Array, Signature, TensorSpec
from accelserve.server.errors import InvalidRequestError

_RESPONSE = serving.PredictResponse.DESCRIPTOR.fields_by_name
_OUTPUTS, _MODEL_SPEC = (_RESPONSE[name].number for name in ("outputs", "model_spec"))
_ENTRY_KEY, _ENTRY_VALUE = 1, 2  # of every map's entries


def model_choice(spec: serving.ModelSpec, *, present: bool) -> ModelChoice:
    """What a ModelSpec says; ``present`` tells an empty one from none at all."""
    return ModelChoice(
        name=spec.name if present else None,
        version=spec.version.value if spec.HasField("version") else None,
        label=spec.version_label if spec.HasField("version_label") else None,
    )


def model_spec(servable_id: ServableId, signature: str = "") -> serving.ModelSpec:
    """What answered, for a response."""
    return serving.ModelSpec(
        name=servable_id.name,
        version=google_protobuf.Int64Value(value=servable_id.version),
        signature_name=signature,
    )


def encoded_response(
    outputs: Mapping[str, Array], servable_id: ServableId, signature: str, *, as_content: bool
) -> bytes:
    """A PredictResponse as it stands on the wire, with raw bytes instead of typed fields if ``as_content``."""
    parts: list[bytes] = []
    for name, array in outputs.items():
        tensor = tensors.encoded(array, as_content=as_content)
        parts += _entry_head(name, len(tensor)), tensor
    parts.append(_encoded_model_spec(servable_id, signature))
    return b"".join(parts)


@lru_cache(maxsize=256)
def _entry_head(name: str, size_bytes: int) -> bytes:
    """What stands before an output of so many bytes."""
    head = delimited(_ENTRY_KEY, name.encode()) + delimited_head(_ENTRY_VALUE, size_bytes)
    return delimited_head(_OUTPUTS, len(head) + size_bytes) + head


@lru_cache(maxsize=256)
def _encoded_model_spec(servable_id: ServableId, signature: str) -> bytes:
    """The field of a PredictResponse: all answers of a version share it."""
    return delimited(_MODEL_SPEC, model_spec(servable_id, signature).SerializeToString())


def inputs_of(inputs: Mapping[str, tf.TensorProto]) -> dict[str, Input]:
    """Every input as the data plane takes it.

    Raises:
        InvalidRequestError: TensorFlow Serving's sentence and what is wrong with the tensor.
    """
    found: dict[str, Input] = {}
    for alias in inputs:  # ``items`` of protobuf's maps is Python's own
        tensor = inputs[alias]
        try:
            if tensor.dtype == tf.DT_STRING:
                shape, values = tensors.to_strings(tensor)
                found[alias] = Strings(shape, list(values))
            else:
                found[alias] = tensors.to_array(tensor)
        except TensorError as error:
            raise InvalidRequestError(f"tensor parsing error: {alias}. {error}") from error
    return found


def signature_def(signature: Signature) -> tf.SignatureDef:
    """A signature as TensorFlow describes one."""
    return tf.SignatureDef(
        inputs={alias: _tensor_info(spec) for alias, spec in signature.inputs.items()},
        outputs={alias: _tensor_info(spec) for alias, spec in signature.outputs.items()},
        method_name=signature.method_name,
    )


def _tensor_info(spec: TensorSpec) -> tf.TensorInfo:
    dtype = tf.DT_STRING if spec.dtype == "string" else tensors.tensorflow_dtype(spec.dtype)
    return tf.TensorInfo(name=spec.name, dtype=dtype, tensor_shape=tensors.shape_proto(spec.shape))
