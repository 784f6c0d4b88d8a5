"""RPCs as typed objects: complete, and answered over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent import futures
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_reflection.v1alpha.reflection import ReflectionServicer
from grpc_reflection.v1alpha.reflection_pb2_grpc import add_ServerReflectionServicer_to_server

from accelserve.protos import grpc_health_v1 as health
from accelserve.protos import inference, services
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.descriptors import POOL, service_descriptors
from accelserve.protos.services import (
    BidirectionalStreamMethod,
    BoundMethod,
    HealthService,
    InferenceService,
    PredictionService,
    ServerStreamMethod,
    UnaryMethod,
    generic_handler,
)

Method = UnaryMethod[Any, Any] | ServerStreamMethod[Any, Any] | BidirectionalStreamMethod[Any, Any]
TABLES = (
    services.PredictionService,
    services.ModelService,
    services.InferenceService,
    services.HealthService,
    services.ReflectionService,
    services.ReflectionAlphaService,
)
KINDS = {
    (False, False): UnaryMethod,
    (False, True): ServerStreamMethod,
    (True, True): BidirectionalStreamMethod,
}


def declared_methods() -> dict[str, MethodDescriptor]:
    return {
        f"/{service.full_name}/{method.name}": method
        for service in service_descriptors().values()
        for method in service.methods
    }


def tabled_methods() -> dict[str, Method]:
    methods: list[Method] = [
        value
        for table in TABLES
        for value in vars(table).values()
        if isinstance(value, (UnaryMethod, ServerStreamMethod, BidirectionalStreamMethod))
    ]
    return {method.path: method for method in methods}


def test_every_rpc_of_the_definitions_is_in_a_table() -> None:
    assert tabled_methods().keys() == declared_methods().keys()


@pytest.mark.parametrize("path", sorted(declared_methods()))
def test_an_rpc_has_the_messages_and_the_streams_of_its_definition(path: str) -> None:
    declared, tabled = declared_methods()[path], tabled_methods()[path]
    assert tabled.request.DESCRIPTOR is declared.input_type
    assert tabled.response.DESCRIPTOR is declared.output_type
    assert type(tabled) is KINDS[(declared.client_streaming, declared.server_streaming)]
    assert f"/{tabled.service}/{tabled.name}" == path


def predict(request: serving.PredictRequest, context: grpc.ServicerContext) -> serving.PredictResponse:
    return serving.PredictResponse(model_spec=request.model_spec)


def watch(
    request: health.HealthCheckRequest, context: grpc.ServicerContext
) -> Iterator[health.HealthCheckResponse]:
    for status in (health.HealthCheckResponse.SERVING, health.HealthCheckResponse.NOT_SERVING):
        yield health.HealthCheckResponse(status=status)


def infer_stream(
    requests: Iterator[inference.ModelInferRequest], context: grpc.ServicerContext
) -> Iterator[inference.ModelStreamInferResponse]:
    for request in requests:
        yield inference.ModelStreamInferResponse(infer_response=inference.ModelInferResponse(id=request.id))


@pytest.fixture(scope="module")
def channel() -> Iterator[grpc.Channel]:
    server = grpc.server(futures.ThreadPoolExecutor(4))
    bound = [
        PredictionService.PREDICT.bind(predict),
        HealthService.WATCH.bind(watch),
        InferenceService.MODEL_STREAM_INFER.bind(infer_stream),
    ]
    server.add_generic_rpc_handlers([generic_handler([method]) for method in bound])
    # Its stub has no types.
    add_ServerReflectionServicer_to_server(  # type: ignore[no-untyped-call]
        ReflectionServicer(list(service_descriptors()), pool=POOL), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    server.stop(None).wait()


def test_one_request_one_response(channel: grpc.Channel) -> None:
    request = serving.PredictRequest(model_spec=serving.ModelSpec(name="resnet50"))
    response = PredictionService.PREDICT.stub(channel)(request, timeout=60)
    assert response.model_spec.name == "resnet50"


def test_one_request_several_responses(channel: grpc.Channel) -> None:
    responses = HealthService.WATCH.stub(channel)(health.HealthCheckRequest(), timeout=60)
    assert [response.status for response in responses] == [1, 2]


def test_several_requests_several_responses(channel: grpc.Channel) -> None:
    requests = (inference.ModelInferRequest(id=str(number)) for number in range(3))
    responses = InferenceService.MODEL_STREAM_INFER.stub(channel)(requests, timeout=60)
    assert [response.infer_response.id for response in responses] == ["0", "1", "2"]


def test_an_rpc_that_is_not_bound_is_unimplemented(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        PredictionService.CLASSIFY.stub(channel)(serving.ClassificationRequest(), timeout=60)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_reflection_client_finds_the_real_services_in_the_pool(channel: grpc.Channel) -> None:
    database = ProtoReflectionDescriptorDatabase(channel)
    assert set(database.get_services()) == set(service_descriptors())
    found = DescriptorPool(database).FindServiceByName("tensorflow.serving.PredictionService")
    assert found.methods_by_name["Predict"].input_type.fields_by_name["inputs"].number == 2


def test_the_same_objects_serve_asyncio() -> None:
    async def predict_async(request: serving.PredictRequest, context: object) -> serving.PredictResponse:
        return serving.PredictResponse(model_spec=request.model_spec)

    async def infer(
        requests: AsyncIterator[inference.ModelInferRequest], context: object
    ) -> AsyncIterator[inference.ModelStreamInferResponse]:
        async for request in requests:
            yield inference.ModelStreamInferResponse(error_message=request.id)

    async def watch_async(
        request: health.HealthCheckRequest, context: object
    ) -> AsyncIterator[health.HealthCheckResponse]:
        yield health.HealthCheckResponse(status=health.HealthCheckResponse.SERVING)

    async def scenario() -> None:
        server = grpc.aio.server()
        bound: list[BoundMethod] = [
            PredictionService.PREDICT.bind(predict_async),
            InferenceService.MODEL_STREAM_INFER.bind(infer),
            HealthService.WATCH.bind(watch_async),
        ]
        server.add_generic_rpc_handlers([generic_handler([method]) for method in bound])
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            request = serving.PredictRequest(model_spec=serving.ModelSpec(name="resnet50"))
            response = await PredictionService.PREDICT.aio_stub(channel)(request, timeout=60)
            assert response.model_spec.name == "resnet50"
            requests = iter([inference.ModelInferRequest(id="a"), inference.ModelInferRequest(id="b")])
            stream = InferenceService.MODEL_STREAM_INFER.aio_stub(channel)(requests, timeout=60)
            assert [answer.error_message async for answer in stream] == ["a", "b"]
            watched = HealthService.WATCH.aio_stub(channel)(health.HealthCheckRequest(), timeout=60)
            assert [answer.status async for answer in watched] == [health.HealthCheckResponse.SERVING]
        await server.stop(None)

    asyncio.run(scenario())


def test_a_handler_holds_the_methods_of_one_service_each_once() -> None:
    bound = PredictionService.PREDICT.bind(predict)
    with pytest.raises(ValueError, match="bound twice"):
        generic_handler([bound, bound])
    with pytest.raises(ValueError, match="one service"):
        generic_handler([bound, HealthService.WATCH.bind(watch)])
    with pytest.raises(ValueError, match="one service"):
        generic_handler([])
