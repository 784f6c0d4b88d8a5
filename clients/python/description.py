"""What a server says about its models, as plain values."""

from dataclasses import dataclass

from accelserve.client.errors import UnexpectedResponseError
from accelserve.protos import google_protobuf, tensorflow_error
from accelserve.protos import tensorflow as tf
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.tensors import dtype_name

SIGNATURE_FIELD = "signature_def"


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorDescription:
    """An input or output.

    Attributes:
        name: of the tensor behind the alias; some models have none.
        dtype: `DT_STRING`, `DT_FLOAT`, ...
        shape: None is a dimension of any size; None instead of a tuple is any number of dimensions.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureDescription:
    """A way to call a model.

    Attributes:
        method_name: `tensorflow/serving/predict` and the like.
        inputs: by the names that requests use.
        outputs: by the names that responses use.
    """

    method_name: str
    inputs: dict[str, TensorDescription]
    outputs: dict[str, TensorDescription]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDescription:
    """What a model takes and gives.

    Attributes:
        name: of the model that answered.
        version: that answered.
        signatures: by name.
    """

    name: str
    version: int
    signatures: dict[str, SignatureDescription]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionStatus:
    """How a version of a model is doing.

    Attributes:
        version: its number.
        state: `START`, `LOADING`, `AVAILABLE`, `UNLOADING`, `END` or `UNKNOWN`; the number where it has no name.
        error_code: `OK`, or why it is not available; the number where it has no name.
        error_message: empty when all is well.
    """

    version: int
    state: str
    error_code: str
    error_message: str


def model_description(response: serving.GetModelMetadataResponse) -> ModelDescription:
    """Reads the answer of GetModelMetadata.

    Raises:
        UnexpectedResponseError: it holds no signatures.
    """
    signatures = serving.SignatureDefMap()
    packed = response.metadata.get(SIGNATURE_FIELD, google_protobuf.Any())
    if not packed.Unpack(signatures):
        raise UnexpectedResponseError("The response of GetModelMetadata has no signatures.")
    return ModelDescription(
        name=response.model_spec.name,
        version=response.model_spec.version.value,
        signatures={
            name: _signature(signature) for name, signature in sorted(signatures.signature_def.items())
        },
    )


def version_statuses(response: serving.GetModelStatusResponse) -> tuple[VersionStatus, ...]:
    """Reads the answer of GetModelStatus; the newest version first."""
    statuses = (_version_status(status) for status in response.model_version_status)
    return tuple(sorted(statuses, key=lambda status: status.version, reverse=True))


def _signature(signature: tf.SignatureDef) -> SignatureDescription:
    return SignatureDescription(
        method_name=signature.method_name,
        inputs={name: _tensor(info) for name, info in sorted(signature.inputs.items())},
        outputs={name: _tensor(info) for name, info in sorted(signature.outputs.items())},
    )


def _tensor(info: tf.TensorInfo) -> TensorDescription:
    shape = tuple(dim.size if dim.size >= 0 else None for dim in info.tensor_shape.dim)
    return TensorDescription(
        name=info.name,
        dtype=dtype_name(info.dtype),
        shape=None if info.tensor_shape.unknown_rank else shape,
    )


def _version_status(status: serving.ModelVersionStatus) -> VersionStatus:
    state = serving.ModelVersionStatus.DESCRIPTOR.enum_types_by_name["State"].values_by_number.get(
        status.state
    )
    code = tensorflow_error.Code.DESCRIPTOR.values_by_number.get(status.status.error_code)
    return VersionStatus(
        version=status.version,
        state=str(status.state) if state is None else state.name,
        error_code=str(status.status.error_code) if code is None else code.name,
        error_message=status.status.error_message,
    )
