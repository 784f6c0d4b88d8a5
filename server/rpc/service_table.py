"""Every method that the gRPC port answers. To add one: its file, and a line here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import grpc

from accelserve.protos.services import (
    BoundMethod,
    HealthService,
    ModelService,
    PredictionService,
    ReflectionAlphaService,
    ReflectionService,
    generic_handler,
)
from accelserve.server.core.registry import ModelRegistry
from accelserve.server.dataplane.predictor import Predictor
from accelserve.server.dataplane.servable import ImageServable
from accelserve.server.readiness import Readiness
from accelserve.server.rpc.get_model_metadata import GetModelMetadata
from accelserve.server.rpc.get_model_status import GetModelStatus
from accelserve.server.rpc.guard import guarded
from accelserve.server.rpc.handle_reload_config import HandleReloadConfig
from accelserve.server.rpc.health import Health
from accelserve.server.rpc.predict import Predict
from accelserve.server.rpc.reflection import Reflection
from accelserve.server.rpc.streams import OpenStreams


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the methods work with.

    Attributes:
        registry: the served models.
        predictor: the data plane.
        readiness: of server and models.
        streams: calls that last.
        control: pool of the methods that must answer while requests for predictions fill the server's own.
        tensor_content: answer raw bytes instead of typed fields.
        allow_unavailable_labels: a reload may label versions that do not serve.
    """

    registry: ModelRegistry[ImageServable]
    predictor: Predictor
    readiness: Readiness
    streams: OpenStreams
    control: ThreadPoolExecutor
    tensor_content: bool = False
    allow_unavailable_labels: bool = False


def methods(parts: Parts) -> list[BoundMethod]:
    """The table."""
    control = parts.control
    serving = [
        guarded(PredictionService.PREDICT, Predict(parts.predictor, parts.tensor_content)),
        guarded(PredictionService.GET_MODEL_METADATA, GetModelMetadata(parts.registry), control),
        guarded(ModelService.GET_MODEL_STATUS, GetModelStatus(parts.registry), control),
        guarded(
            ModelService.HANDLE_RELOAD_CONFIG_REQUEST,
            HandleReloadConfig(parts.registry, parts.allow_unavailable_labels),
            control,
        ),
    ]
    services = {_service(method) for method in serving}
    visible = {*services, HealthService.NAME, ReflectionService.NAME, ReflectionAlphaService.NAME}
    return [
        *serving,
        *Health(parts.readiness, services, parts.streams).methods(control),
        *Reflection(visible, parts.streams).methods(control),
    ]


def handlers(bound: Sequence[BoundMethod]) -> list[grpc.GenericRpcHandler]:
    """One gRPC handler a service."""
    services: dict[str, list[BoundMethod]] = defaultdict(list)
    for method in bound:
        services[_service(method)].append(method)
    return [generic_handler(group) for group in services.values()]


def _service(method: BoundMethod) -> str:
    return method.path.split("/")[1]
