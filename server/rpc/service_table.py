"""Every method that the gRPC port answers. To add one: its file, and a line here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import grpc

from accelserve.protos import inference
from accelserve.protos.services import (
    BoundMethod,
    HealthService,
    InferenceService,
    ModelService,
    PredictionService,
    ReflectionAlphaService,
    ReflectionService,
    generic_handler,
)
from accelserve.server.core.registry import ModelRegistry
from accelserve.server.dataplane.predictor import Predictor
from accelserve.server.dataplane.servable import ImageServable
from accelserve.server.metrics.server_metrics import ServerMetrics
from accelserve.server.protocols.open_inference.methods import InferenceMethods
from accelserve.server.protocols.open_inference.model_infer import ModelInfer
from accelserve.server.protocols.tensorflow_serving.classify import Classify
from accelserve.server.protocols.tensorflow_serving.model_metadata import GetModelMetadata
from accelserve.server.protocols.tensorflow_serving.model_status import GetModelStatus
from accelserve.server.protocols.tensorflow_serving.multi_inference import MultiInference
from accelserve.server.protocols.tensorflow_serving.predict import Predict
from accelserve.server.protocols.tensorflow_serving.regress import Regress
from accelserve.server.protocols.tensorflow_serving.reload_config import HandleReloadConfig
from accelserve.server.protocols.tensorflow_serving.scoring import Scoring
from accelserve.server.readiness import Readiness
from accelserve.server.rpc.guard import guarded
from accelserve.server.rpc.health import Health
from accelserve.server.rpc.observation import observe
from accelserve.server.rpc.reflection import Reflection
from accelserve.server.rpc.stream_infer import ModelStreamInfer
from accelserve.server.rpc.streams import OpenStreams


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the methods work with.

    Attributes:
        registry: the served models.
        predictor: the data plane.
        metrics: where calls are counted.
        readiness: of server and models.
        streams: calls that last.
        control: pool of the methods that must answer while requests for predictions fill the server's own.
        tensor_content: answer raw bytes instead of typed fields.
        allow_unavailable_labels: a reload may label versions that do not serve.
    """

    registry: ModelRegistry[ImageServable]
    predictor: Predictor
    metrics: ServerMetrics
    readiness: Readiness
    streams: OpenStreams
    control: ThreadPoolExecutor
    tensor_content: bool = False
    allow_unavailable_labels: bool = False


def methods(parts: Parts) -> list[BoundMethod]:
    """The table."""
    control = parts.control
    serving = [
        *_predictions(parts),
        guarded(PredictionService.GET_MODEL_METADATA, GetModelMetadata(parts.registry), control),
        guarded(ModelService.GET_MODEL_STATUS, GetModelStatus(parts.registry), control),
        guarded(
            ModelService.HANDLE_RELOAD_CONFIG_REQUEST,
            HandleReloadConfig(parts.registry, parts.allow_unavailable_labels),
            control,
        ),
        *_open_inference(parts),
    ]
    services = {_service(method) for method in serving}
    visible = {*services, HealthService.NAME, ReflectionService.NAME, ReflectionAlphaService.NAME}
    return [
        *serving,
        *Health(parts.readiness, services, parts.streams).methods(control),
        *Reflection(visible, parts.streams).methods(control),
    ]


def _predictions(parts: Parts) -> list[BoundMethod]:
    """What computes."""
    metrics, predictor = parts.metrics, parts.predictor
    scoring = Scoring(predictor, metrics.count_examples)
    return [
        guarded(
            PredictionService.PREDICT,
            Predict(predictor, parts.tensor_content),
            observe=observe(metrics, "Predict", lambda request: request.model_spec.name),
        ),
        guarded(
            PredictionService.CLASSIFY,
            Classify(scoring),
            observe=observe(metrics, "Classify", lambda request: request.model_spec.name),
        ),
        guarded(
            PredictionService.REGRESS,
            Regress(scoring),
            observe=observe(metrics, "Regress", lambda request: request.model_spec.name),
        ),
        guarded(
            PredictionService.MULTI_INFERENCE,
            MultiInference(scoring),
            observe=observe(
                metrics,
                "MultiInference",
                lambda request: request.tasks[0].model_spec.name if request.tasks else "",
            ),
        ),
    ]


def _open_inference(parts: Parts) -> list[BoundMethod]:
    """All but ModelInfer on the pool that predictions do not fill."""
    service, control = InferenceService, parts.control
    answer = ModelInfer(parts.predictor)
    counted = observe(parts.metrics, "ModelInfer", _model_name)
    about = InferenceMethods(parts.registry, parts.readiness)
    return [
        guarded(service.MODEL_INFER, answer, observe=counted),
        ModelStreamInfer(answer, parts.streams, counted).method(control),
        guarded(service.SERVER_LIVE, about.server_live, control),
        guarded(service.SERVER_READY, about.server_ready, control),
        guarded(service.MODEL_READY, about.model_ready, control),
        guarded(service.SERVER_METADATA, about.server_metadata, control),
        guarded(service.MODEL_METADATA, about.model_metadata, control),
        guarded(service.MODEL_CONFIG, about.model_config, control),
        guarded(service.REPOSITORY_INDEX, about.repository_index, control),
        guarded(service.REPOSITORY_MODEL_LOAD, about.load, control),
        guarded(service.REPOSITORY_MODEL_UNLOAD, about.unload, control),
    ]


def _model_name(request: inference.ModelInferRequest) -> str:
    return request.model_name


def handlers(bound: Sequence[BoundMethod]) -> list[grpc.GenericRpcHandler]:
    """One gRPC handler a service."""
    services: dict[str, list[BoundMethod]] = defaultdict(list)
    for method in bound:
        services[_service(method)].append(method)
    return [generic_handler(group) for group in services.values()]


def _service(method: BoundMethod) -> str:
    return method.path.split("/")[1]
