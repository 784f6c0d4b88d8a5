"""Reflection, with the official client: enough to call a service without any of our code."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from accelserve.protos import grpc_reflection_v1 as v1
from accelserve.protos.services import ReflectionService

Serve = Callable[..., SimpleNamespace]


def test_services_are_listed(serve: Serve) -> None:
    listed = ProtoReflectionDescriptorDatabase(serve().channel).get_services()
    assert {
        "tensorflow.serving.PredictionService",
        "tensorflow.serving.ModelService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    } <= set(listed)


def test_a_client_without_our_messages_can_call(serve: Serve) -> None:
    server = serve()
    pool = DescriptorPool(ProtoReflectionDescriptorDatabase(server.channel))
    method = pool.FindServiceByName("tensorflow.serving.ModelService").FindMethodByName("GetModelStatus")
    request = GetMessageClass(method.input_type)()
    request.model_spec.name = "colour"  # type: ignore[attr-defined]
    call = server.channel.unary_unary(
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
    (status,) = call(request, timeout=60).model_version_status
    assert (status.version, status.state) == (1, 30)


@pytest.mark.parametrize(
    "question",
    [
        v1.ServerReflectionRequest(file_containing_symbol="no.such.Symbol"),
        v1.ServerReflectionRequest(file_by_filename="no/such/file.proto"),
        v1.ServerReflectionRequest(),
    ],
    ids=["symbol", "file", "nothing"],
)
def test_what_is_not_there_is_not_found_and_the_stream_goes_on(
    serve: Serve, question: v1.ServerReflectionRequest
) -> None:
    listing = v1.ServerReflectionRequest(list_services="*")
    stream = serve().channel.stream_stream(
        ReflectionService.INFO.path,
        request_serializer=v1.ServerReflectionRequest.SerializeToString,
        response_deserializer=v1.ServerReflectionResponse.FromString,
    )
    first, second = stream(iter([question, listing]), timeout=60)
    assert first.error_response.error_code == 5
    assert second.list_services_response.service
