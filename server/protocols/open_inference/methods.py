"""The methods of inference.GRPCInferenceService that describe: messages in, messages out."""

from __future__ import annotations

from dataclasses import dataclass

from accelserve.protos import inference
from accelserve.server.core.registry import ModelRegistry
from accelserve.server.dataplane.servable import ImageServable
from accelserve.server.protocols.open_inference.description import (
    EXTENSIONS,
    PLATFORM,
    SERVER_NAME,
    SERVER_VERSION,
    TensorDescription,
    check_load,
    describe,
    index,
    is_ready,
    refuse_unload,
)
from accelserve.server.readiness import Readiness
from accelserve.server.scheduler.watch import CallWatch


@dataclass(frozen=True, slots=True)
class InferenceMethods:
    """Answers from the registry and the readiness of server and models."""

    registry: ModelRegistry[ImageServable]
    readiness: Readiness

    def server_live(
        self, _request: inference.ServerLiveRequest, _watch: CallWatch
    ) -> inference.ServerLiveResponse:
        """Who answers is alive."""
        return inference.ServerLiveResponse(live=True)

    def server_ready(
        self, _request: inference.ServerReadyRequest, _watch: CallWatch
    ) -> inference.ServerReadyResponse:
        """Whether every model is."""
        return inference.ServerReadyResponse(ready=self.readiness.server())

    def model_ready(
        self, request: inference.ModelReadyRequest, _watch: CallWatch
    ) -> inference.ModelReadyResponse:
        """Whether one model, or one version of it, is; an unknown one is not."""
        ready = is_ready(self.registry, self.readiness, request.name, request.version)
        return inference.ModelReadyResponse(ready=ready)

    def server_metadata(
        self, _request: inference.ServerMetadataRequest, _watch: CallWatch
    ) -> inference.ServerMetadataResponse:
        """Name, version, extensions."""
        return inference.ServerMetadataResponse(
            name=SERVER_NAME, version=SERVER_VERSION, extensions=EXTENSIONS
        )

    def model_metadata(
        self, request: inference.ModelMetadataRequest, _watch: CallWatch
    ) -> inference.ModelMetadataResponse:
        """What a model takes and gives; ServableNotFoundError for an unknown one."""
        described = describe(self.registry, request.name, request.version)
        return inference.ModelMetadataResponse(
            name=described.name,
            versions=described.versions,
            platform=PLATFORM,
            inputs=[_metadata(tensor) for tensor in described.inputs],
            outputs=[_metadata(tensor) for tensor in described.outputs],
        )

    def model_config(
        self, request: inference.ModelConfigRequest, _watch: CallWatch
    ) -> inference.ModelConfigResponse:
        """The same in Triton's words; ServableNotFoundError for an unknown one."""
        described = describe(self.registry, request.name, request.version)
        return inference.ModelConfigResponse(
            config=inference.ModelConfig(
                name=described.name,
                platform=PLATFORM,
                input=[
                    inference.ModelInput(name=t.name, data_type=_config_type(t), dims=t.shape)
                    for t in described.inputs
                ],
                output=[
                    inference.ModelOutput(name=t.name, data_type=_config_type(t), dims=t.shape)
                    for t in described.outputs
                ],
            )
        )

    def repository_index(
        self, request: inference.RepositoryIndexRequest, _watch: CallWatch
    ) -> inference.RepositoryIndexResponse:
        """Every version that is known, and its state."""
        return inference.RepositoryIndexResponse(
            models=[
                inference.RepositoryIndexResponse.ModelIndex(
                    name=entry.name, version=entry.version, state=entry.state, reason=entry.reason
                )
                for entry in index(self.registry, ready_only=request.ready)
            ]
        )

    def load(
        self, request: inference.RepositoryModelLoadRequest, _watch: CallWatch
    ) -> inference.RepositoryModelLoadResponse:
        """Nothing to do for a model that serves; UnsupportedMethodError for any other."""
        check_load(self.registry, request.model_name)
        return inference.RepositoryModelLoadResponse()

    def unload(
        self, request: inference.RepositoryModelUnloadRequest, _watch: CallWatch
    ) -> inference.RepositoryModelUnloadResponse:
        """UnsupportedMethodError."""
        refuse_unload(request.model_name)
        return inference.RepositoryModelUnloadResponse()


def _metadata(tensor: TensorDescription) -> inference.ModelMetadataResponse.TensorMetadata:
    return inference.ModelMetadataResponse.TensorMetadata(
        name=tensor.name, datatype=tensor.datatype, shape=tensor.shape
    )


def _config_type(tensor: TensorDescription) -> int:
    """Triton's number of a datatype: ``FP32`` -> TYPE_FP32, ``BYTES`` -> TYPE_STRING."""
    name = "STRING" if tensor.datatype == "BYTES" else tensor.datatype
    return int(inference.DataType.Value(f"TYPE_{name}"))
