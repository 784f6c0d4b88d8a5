"""Messages to the data plane's terms and back. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from accelserve.protos import google_protobuf, tensors
from accelserve.protos import tensorflow as tf
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.errors import TensorError
from accelserve.server.core.registry import ModelChoice
from accelserve.server.core.servable import ServableId
from accelserve.server.dataplane.servable import Array, Signature, TensorSpec
from accelserve.server.errors import InvalidRequestError


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


@lru_cache(maxsize=256)
def encoded_model_spec(servable_id: ServableId, signature: str) -> bytes:
    """``model_spec`` as it stands on the wire: all answers of a version share it."""
    return model_spec(servable_id, signature).SerializeToString()


def arrays_of(inputs: Mapping[str, tf.TensorProto]) -> dict[str, Array]:
    """Every input as an array; strings as object arrays of bytes.

    Raises:
        InvalidRequestError: TensorFlow Serving's sentence and what is wrong with the tensor.
    """
    arrays: dict[str, Array] = {}
    for alias, tensor in inputs.items():
        try:
            arrays[alias] = tensors.to_array(tensor)
        except TensorError as error:
            raise InvalidRequestError(f"tensor parsing error: {alias}. {error}") from error
    return arrays


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
