"""What the server says about its models: status, metadata, the list."""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import MessageToDict
from starlette.requests import Request
from starlette.responses import Response

from accelserve.protos import tensorflow_error
from accelserve.protos import tensorflow_serving as serving
from accelserve.server.core.registry import ModelChoice, ModelRegistry
from accelserve.server.core.states import StateReport
from accelserve.server.dataplane.servable import ImageServable
from accelserve.server.errors import InvalidRequestError
from accelserve.server.protocols.tensorflow_serving.model_status import version_status
from accelserve.server.protocols.tensorflow_serving.tensors import signature_def
from accelserve.server.rest.errors import json_response
from accelserve.server.rest.numbers import whole_number

# int64's range: a larger number in the path is no version
_MAX_VERSION = 2**63 - 1


class ModelRoutes:
    """Answers from the registry."""

    def __init__(self, registry: ModelRegistry[ImageServable]) -> None:
        self._registry = registry

    async def listed(self, _request: Request) -> Response:
        """The caller's models with their versions and labels; TensorFlow Serving has no such answer."""
        models = [
            {
                "name": model.name,
                "labels": dict(self._registry.labels_of(model.name)),
                "model_version_status": [_status(report) for report in self._registry.states.of(model.name)],
            }
            for model in self._registry.models()
            if self._registry.opens(model.name)
        ]
        return json_response({"models": models})

    async def status(self, request: Request) -> Response:
        """``{"model_version_status": [...]}``."""
        reports = self._registry.reports(choice_of(request))
        return json_response({"model_version_status": [_status(report) for report in reports]})

    async def metadata(self, request: Request) -> Response:
        """``{"model_spec": ..., "metadata": {"signature_def": ...}}``."""
        with self._registry.acquire(choice_of(request)) as handle:
            signatures = serving.SignatureDefMap(
                signature_def={
                    key: signature_def(signature) for key, signature in handle.servable.signatures.items()
                }
            )
            version = handle.servable_id
        spec = {"name": version.name, "signature_name": "", "version": str(version.version)}
        described = MessageToDict(
            signatures, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
        return json_response({"model_spec": spec, "metadata": {"signature_def": described}})


def choice_of(request: Request) -> ModelChoice:
    """The model, version or label of the path; InvalidRequestError for a version that is no number."""
    path = request.path_params
    text = path.get("version")
    version: int | None = None
    if text is not None:
        version = whole_number(text)
        if version is None or version > _MAX_VERSION:
            raise InvalidRequestError(f"Failed to convert version: {text} to numeric.")
    return ModelChoice(name=path["model"], version=version, label=path.get("label"))


def _status(report: StateReport) -> dict[str, Any]:
    status = version_status(report)
    return {
        "version": str(status.version),
        "state": serving.ModelVersionStatus.State.Name(status.state),
        "status": {
            "error_code": tensorflow_error.Code.Name(status.status.error_code),
            "error_message": status.status.error_message,
        },
    }
