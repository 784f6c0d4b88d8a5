"""tensorflow.serving.ModelService/GetModelStatus."""

from __future__ import annotations

from dataclasses import dataclass

from accelserve.protos import tensorflow_serving as serving
from accelserve.server.core.registry import ModelRegistry
from accelserve.server.core.states import StateReport
from accelserve.server.dataplane.servable import ImageServable
from accelserve.server.protocols.status import cut
from accelserve.server.protocols.tensorflow_serving.tensors import model_choice
from accelserve.server.scheduler.watch import CallWatch


@dataclass(frozen=True, slots=True)
class GetModelStatus:
    """Answers from the registry."""

    registry: ModelRegistry[ImageServable]

    def __call__(
        self, request: serving.GetModelStatusRequest, _watch: CallWatch
    ) -> serving.GetModelStatusResponse:
        """The states of a model's versions, highest first, or of one version; why a load failed.

        Raises:
            InvalidRequestError: no model is named and none is the default, or an unknown label.
            ServableNotFoundError: nothing is known of it.
        """
        choice = model_choice(request.model_spec, present=request.HasField("model_spec"))
        reports = self.registry.reports(choice)
        return serving.GetModelStatusResponse(
            model_version_status=[version_status(report) for report in reports]
        )


def version_status(report: StateReport) -> serving.ModelVersionStatus:
    """One version's state, and why its load failed if it did."""
    return serving.ModelVersionStatus(
        version=report.servable_id.version, state=int(report.state), status=_error_status(report.error)
    )


def _error_status(error: Exception | None) -> serving.StatusProto:
    if error is None:
        return serving.StatusProto(error_code=0, error_message="")
    return serving.StatusProto(error_code=_LOAD_FAILED, error_message=cut(str(error) or type(error).__name__))


# tensorflow.error.FAILED_PRECONDITION: the version is not in a state in which it could serve
_LOAD_FAILED = 9
