"""What crosses between Ray Serve's proxy and a replica: which methods, and a request and its answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from accelserve.protos.services import (
    HealthService,
    InferenceService,
    ModelService,
    PredictionService,
    ReflectionAlphaService,
    ReflectionService,
    UnaryMethod,
)

# Serve calls a replica's method by the last word of the path, so no two of these may share one.
PASSED: tuple[UnaryMethod[Any, Any], ...] = (
    PredictionService.PREDICT,
    PredictionService.CLASSIFY,
    PredictionService.REGRESS,
    PredictionService.MULTI_INFERENCE,
    PredictionService.GET_MODEL_METADATA,
    ModelService.GET_MODEL_STATUS,
    InferenceService.MODEL_INFER,
    InferenceService.SERVER_LIVE,
    InferenceService.SERVER_READY,
    InferenceService.MODEL_READY,
    InferenceService.SERVER_METADATA,
    InferenceService.MODEL_METADATA,
    InferenceService.MODEL_CONFIG,
    InferenceService.REPOSITORY_INDEX,
    HealthService.CHECK,
    HealthService.LIST,
)

_ONE_REPLICA = "would reach one replica of the cluster only"
_RELOAD = f"{_ONE_REPLICA}; change the model repository or --model_config_file, which every replica follows"
_STREAM = "does not pass the cluster's proxy, which answers calls of one message"

# Path -> why it is not answered here.
REFUSED: Mapping[str, str] = MappingProxyType(
    {
        ModelService.HANDLE_RELOAD_CONFIG_REQUEST.path: f"HandleReloadConfigRequest {_RELOAD}",
        InferenceService.REPOSITORY_MODEL_LOAD.path: f"RepositoryModelLoad {_RELOAD}",
        InferenceService.REPOSITORY_MODEL_UNLOAD.path: f"RepositoryModelUnload {_RELOAD}",
        InferenceService.MODEL_STREAM_INFER.path: f"ModelStreamInfer {_STREAM}; send ModelInfer",
        HealthService.WATCH.path: f"Watch {_STREAM}; send Check",
        ReflectionService.INFO.path: f"ServerReflectionInfo {_STREAM}; give your tool the .proto files",
        ReflectionAlphaService.INFO.path: f"ServerReflectionInfo {_STREAM}; give your tool the .proto files",
    }
)


@dataclass(frozen=True, slots=True)
class PassedRequest:
    """What a proxy hands over.

    Attributes:
        message: serialized, as the caller sent it.
        remaining_seconds: until the caller's deadline when the proxy had the message; None without a deadline.
    """

    message: bytes
    remaining_seconds: float | None


@dataclass(frozen=True, slots=True)
class PassedAnswer:
    """What a replica hands back: bytes that look like a message to Serve, which wants to serialize one itself."""

    message: bytes

    def SerializeToString(self) -> bytes:  # noqa: N802 - protobuf's name
        """The bytes."""
        return self.message
