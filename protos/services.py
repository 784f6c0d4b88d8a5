"""Every RPC as a typed object: its path, the messages it takes and gives, a client stub and a server handler.

A client calls `PredictionService.PREDICT.stub(channel)(request, timeout=1.0)`. A server binds its functions and adds
the service::

    handlers = [PredictionService.PREDICT.bind(predict), PredictionService.CLASSIFY.bind(classify)]
    server.add_generic_rpc_handlers([generic_handler(handlers)])

An RPC of the service that is not bound answers UNIMPLEMENTED. Both work for `grpc` and for `grpc.aio`, whose functions
are coroutines.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from accelserve.protos import grpc_health_v1 as health
from accelserve.protos import grpc_reflection_v1 as reflection
from accelserve.protos import grpc_reflection_v1alpha as reflection_alpha
from accelserve.protos import inference
from accelserve.protos import tensorflow_serving as serving

RequestT = TypeVar("RequestT", bound=Message)
ResponseT = TypeVar("ResponseT", bound=Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundMethod:
    """An RPC with the function that answers it.

    Attributes:
        path: `/package.Service/Method`.
        handler: what gRPC calls.
    """

    path: str
    handler: "grpc.RpcMethodHandler[Any, Any]"


@dataclass(frozen=True, slots=True)
class _Rpc(Generic[RequestT, ResponseT]):
    """What all RPCs have.

    Attributes:
        path: `/package.Service/Method`.
        request: class of the messages that the client sends.
        response: class of the messages that the server sends.
    """

    path: str
    request: type[RequestT]
    response: type[ResponseT]

    @property
    def service(self) -> str:
        """Full name of the service, `tensorflow.serving.PredictionService` for instance."""
        return self.path.split("/")[1]

    @property
    def name(self) -> str:
        """Name within the service, `Predict` for instance."""
        return self.path.split("/")[2]


class UnaryMethod(_Rpc[RequestT, ResponseT]):
    """One request, one response."""

    __slots__ = ()

    def stub(self, channel: grpc.Channel) -> "grpc.UnaryUnaryMultiCallable[RequestT, ResponseT]":
        """The call on a channel; safe to share between threads."""
        return channel.unary_unary(self.path, self.request.SerializeToString, self.response.FromString)

    def aio_stub(self, channel: grpc.aio.Channel) -> "grpc.aio.UnaryUnaryMultiCallable[RequestT, ResponseT]":
        """The call on an asyncio channel."""
        return channel.unary_unary(self.path, self.request.SerializeToString, self.response.FromString)

    def bind(self, function: Callable[[RequestT, Any], ResponseT | Awaitable[ResponseT]]) -> BoundMethod:
        """The RPC answered by `function(request, context)`; a coroutine function on a grpc.aio server."""
        handler = grpc.unary_unary_rpc_method_handler(
            function, self.request.FromString, self.response.SerializeToString
        )
        return BoundMethod(path=self.path, handler=handler)


class ServerStreamMethod(_Rpc[RequestT, ResponseT]):
    """One request, any number of responses."""

    __slots__ = ()

    def stub(self, channel: grpc.Channel) -> "grpc.UnaryStreamMultiCallable[RequestT, ResponseT]":
        """The call on a channel; safe to share between threads."""
        return channel.unary_stream(self.path, self.request.SerializeToString, self.response.FromString)

    def aio_stub(self, channel: grpc.aio.Channel) -> "grpc.aio.UnaryStreamMultiCallable[RequestT, ResponseT]":
        """The call on an asyncio channel."""
        return channel.unary_stream(self.path, self.request.SerializeToString, self.response.FromString)

    def bind(
        self, function: Callable[[RequestT, Any], Iterator[ResponseT] | AsyncIterator[ResponseT]]
    ) -> BoundMethod:
        """The RPC answered by `function(request, context)`, a generator; an async one on a grpc.aio server."""
        handler = grpc.unary_stream_rpc_method_handler(
            function, self.request.FromString, self.response.SerializeToString
        )
        return BoundMethod(path=self.path, handler=handler)


class BidirectionalStreamMethod(_Rpc[RequestT, ResponseT]):
    """Any number of requests, any number of responses."""

    __slots__ = ()

    def stub(self, channel: grpc.Channel) -> "grpc.StreamStreamMultiCallable[RequestT, ResponseT]":
        """The call on a channel; safe to share between threads."""
        return channel.stream_stream(self.path, self.request.SerializeToString, self.response.FromString)

    def aio_stub(
        self, channel: grpc.aio.Channel
    ) -> "grpc.aio.StreamStreamMultiCallable[RequestT, ResponseT]":
        """The call on an asyncio channel."""
        return channel.stream_stream(self.path, self.request.SerializeToString, self.response.FromString)

    def bind(
        self,
        function: Callable[[Iterator[RequestT], Any], Iterator[ResponseT]]
        | Callable[[AsyncIterator[RequestT], Any], AsyncIterator[ResponseT]],
    ) -> BoundMethod:
        """The RPC answered by `function(requests, context)`, a generator; an async one on a grpc.aio server."""
        handler = grpc.stream_stream_rpc_method_handler(
            function, self.request.FromString, self.response.SerializeToString
        )
        return BoundMethod(path=self.path, handler=handler)


def generic_handler(methods: Iterable[BoundMethod]) -> grpc.GenericRpcHandler:
    """The methods of one service, ready for `server.add_generic_rpc_handlers([...])`.

    Raises:
        ValueError: no methods, methods of several services, or one method twice.
    """
    by_path: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
    for method in methods:
        if method.path in by_path:
            raise ValueError(f"{method.path} is bound twice.")
        by_path[method.path] = method.handler
    services = sorted({path.split("/")[1] for path in by_path})
    if len(services) != 1:
        raise ValueError(f"A handler holds the methods of one service, got those of {services}.")
    handlers = {path.split("/")[2]: handler for path, handler in by_path.items()}
    return grpc.method_handlers_generic_handler(services[0], handlers)


class PredictionService:
    """`tensorflow.serving.PredictionService`."""

    NAME = "tensorflow.serving.PredictionService"
    CLASSIFY = UnaryMethod(f"/{NAME}/Classify", serving.ClassificationRequest, serving.ClassificationResponse)
    REGRESS = UnaryMethod(f"/{NAME}/Regress", serving.RegressionRequest, serving.RegressionResponse)
    PREDICT = UnaryMethod(f"/{NAME}/Predict", serving.PredictRequest, serving.PredictResponse)
    MULTI_INFERENCE = UnaryMethod(
        f"/{NAME}/MultiInference", serving.MultiInferenceRequest, serving.MultiInferenceResponse
    )
    GET_MODEL_METADATA = UnaryMethod(
        f"/{NAME}/GetModelMetadata", serving.GetModelMetadataRequest, serving.GetModelMetadataResponse
    )


class ModelService:
    """`tensorflow.serving.ModelService`."""

    NAME = "tensorflow.serving.ModelService"
    GET_MODEL_STATUS = UnaryMethod(
        f"/{NAME}/GetModelStatus", serving.GetModelStatusRequest, serving.GetModelStatusResponse
    )
    HANDLE_RELOAD_CONFIG_REQUEST = UnaryMethod(
        f"/{NAME}/HandleReloadConfigRequest", serving.ReloadConfigRequest, serving.ReloadConfigResponse
    )


class InferenceService:
    """`inference.GRPCInferenceService`: the Open Inference Protocol, version 2."""

    NAME = "inference.GRPCInferenceService"
    SERVER_LIVE = UnaryMethod(
        f"/{NAME}/ServerLive", inference.ServerLiveRequest, inference.ServerLiveResponse
    )
    SERVER_READY = UnaryMethod(
        f"/{NAME}/ServerReady", inference.ServerReadyRequest, inference.ServerReadyResponse
    )
    MODEL_READY = UnaryMethod(
        f"/{NAME}/ModelReady", inference.ModelReadyRequest, inference.ModelReadyResponse
    )
    SERVER_METADATA = UnaryMethod(
        f"/{NAME}/ServerMetadata", inference.ServerMetadataRequest, inference.ServerMetadataResponse
    )
    MODEL_METADATA = UnaryMethod(
        f"/{NAME}/ModelMetadata", inference.ModelMetadataRequest, inference.ModelMetadataResponse
    )
    MODEL_INFER = UnaryMethod(
        f"/{NAME}/ModelInfer", inference.ModelInferRequest, inference.ModelInferResponse
    )
    MODEL_STREAM_INFER = BidirectionalStreamMethod(
        f"/{NAME}/ModelStreamInfer", inference.ModelInferRequest, inference.ModelStreamInferResponse
    )
    MODEL_CONFIG = UnaryMethod(
        f"/{NAME}/ModelConfig", inference.ModelConfigRequest, inference.ModelConfigResponse
    )
    MODEL_STATISTICS = UnaryMethod(
        f"/{NAME}/ModelStatistics", inference.ModelStatisticsRequest, inference.ModelStatisticsResponse
    )
    REPOSITORY_INDEX = UnaryMethod(
        f"/{NAME}/RepositoryIndex", inference.RepositoryIndexRequest, inference.RepositoryIndexResponse
    )
    REPOSITORY_MODEL_LOAD = UnaryMethod(
        f"/{NAME}/RepositoryModelLoad",
        inference.RepositoryModelLoadRequest,
        inference.RepositoryModelLoadResponse,
    )
    REPOSITORY_MODEL_UNLOAD = UnaryMethod(
        f"/{NAME}/RepositoryModelUnload",
        inference.RepositoryModelUnloadRequest,
        inference.RepositoryModelUnloadResponse,
    )


class HealthService:
    """`grpc.health.v1.Health`."""

    NAME = "grpc.health.v1.Health"
    CHECK = UnaryMethod(f"/{NAME}/Check", health.HealthCheckRequest, health.HealthCheckResponse)
    LIST = UnaryMethod(f"/{NAME}/List", health.HealthListRequest, health.HealthListResponse)
    WATCH = ServerStreamMethod(f"/{NAME}/Watch", health.HealthCheckRequest, health.HealthCheckResponse)


class ReflectionService:
    """`grpc.reflection.v1.ServerReflection`."""

    NAME = "grpc.reflection.v1.ServerReflection"
    INFO = BidirectionalStreamMethod(
        f"/{NAME}/ServerReflectionInfo",
        reflection.ServerReflectionRequest,
        reflection.ServerReflectionResponse,
    )


class ReflectionAlphaService:
    """`grpc.reflection.v1alpha.ServerReflection`, the name that older tools ask for."""

    NAME = "grpc.reflection.v1alpha.ServerReflection"
    INFO = BidirectionalStreamMethod(
        f"/{NAME}/ServerReflectionInfo",
        reflection_alpha.ServerReflectionRequest,
        reflection_alpha.ServerReflectionResponse,
    )
