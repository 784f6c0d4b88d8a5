"""Every method that the gRPC port answers. To add one: its file, and a line here."""

from __future__ import annotations

from collections import defaultdict

import grpc

from accelserve.protos.services import BoundMethod, ModelService, PredictionService, generic_handler
from accelserve.server.core.registry import ModelRegistry
from accelserve.server.dataplane.predictor import Predictor
from accelserve.server.dataplane.servable import ImageServable
from accelserve.server.rpc.get_model_metadata import GetModelMetadata
from accelserve.server.rpc.get_model_status import GetModelStatus
from accelserve.server.rpc.guard import guarded
from accelserve.server.rpc.handle_reload_config import HandleReloadConfig
from accelserve.server.rpc.predict import Predict


def methods(
    registry: ModelRegistry[ImageServable],
    predictor: Predictor,
    *,
    tensor_content: bool,
    allow_unavailable_labels: bool,
) -> list[BoundMethod]:
    """The table."""
    return [
        guarded(PredictionService.PREDICT, Predict(predictor, tensor_content)),
        guarded(PredictionService.GET_MODEL_METADATA, GetModelMetadata(registry)),
        guarded(ModelService.GET_MODEL_STATUS, GetModelStatus(registry)),
        guarded(
            ModelService.HANDLE_RELOAD_CONFIG_REQUEST, HandleReloadConfig(registry, allow_unavailable_labels)
        ),
    ]


def handlers(bound: list[BoundMethod]) -> list[grpc.GenericRpcHandler]:
    """One gRPC handler a service."""
    services: dict[str, list[BoundMethod]] = defaultdict(list)
    for method in bound:
        services[method.path.split("/")[1]].append(method)
    return [generic_handler(group) for group in services.values()]
