"""tensorflow.serving.PredictionService/GetModelMetadata."""

from __future__ import annotations

from dataclasses import dataclass

from accelserve.protos import google_protobuf
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.tensors import from_strings
from accelserve.server.core.registry import ModelRegistry
from accelserve.server.dataplane.servable import ImageServable
from accelserve.server.errors import InvalidRequestError
from accelserve.server.protocols.tensorflow_serving.tensors import model_choice, model_spec, signature_def
from accelserve.server.scheduler.watch import CallWatch

_SIGNATURES = "signature_def"  # TensorFlow Serving's only field
_LABELS = "labels"  # ours: names of the classes, a string tensor; TensorFlow Serving has no place for them


@dataclass(frozen=True, slots=True)
class GetModelMetadata:
    """Answers from the registry."""

    registry: ModelRegistry[ImageServable]

    def __call__(
        self, request: serving.GetModelMetadataRequest, _watch: CallWatch
    ) -> serving.GetModelMetadataResponse:
        """The signatures of one version, and its labels if asked for.

        Raises:
            InvalidRequestError: no metadata field is asked for, or an unknown one.
            ServableNotFoundError: no such model or version.
        """
        choice = model_choice(request.model_spec, present=request.HasField("model_spec"))
        self.registry.resolve_name(choice)
        if not request.metadata_field:
            raise InvalidRequestError("GetModelMetadataRequest must specify at least one metadata_field")
        for field in request.metadata_field:
            if field not in (_SIGNATURES, _LABELS):
                raise InvalidRequestError(f"Metadata field {field} is not supported")
        with self.registry.acquire(choice) as handle:
            return serving.GetModelMetadataResponse(
                model_spec=model_spec(handle.servable_id),
                metadata={field: _packed(field, handle.servable) for field in request.metadata_field},
            )


def _packed(field: str, servable: ImageServable) -> google_protobuf.Any:
    packed = google_protobuf.Any()
    if field == _LABELS:
        packed.Pack(from_strings([label.encode() for label in servable.labels]))
    else:
        signatures = {key: signature_def(signature) for key, signature in servable.signatures.items()}
        packed.Pack(serving.SignatureDefMap(signature_def=signatures))
    return packed
