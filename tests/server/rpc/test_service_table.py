"""Every RPC of the .proto files is answered; one that is not is left out on purpose."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor

from accelserve.protos.descriptors import service_descriptors
from accelserve.protos.services import InferenceService

Serve = Callable[..., SimpleNamespace]

# TensorFlow Serving, which keeps no such counts, has its metrics for that; so have we.
LEFT_OUT = {InferenceService.MODEL_STATISTICS.path}
METHODS = {
    f"/{name}/{method.name}": method
    for name, service in service_descriptors().items()
    for method in service.methods
}


def code_of(channel: Any, path: str, method: MethodDescriptor) -> grpc.StatusCode:
    """What an empty message, or a stream of none, is answered."""
    if method.client_streaming:
        call = channel.stream_stream(path)(iter(()), timeout=60)
    else:
        call = channel.unary_stream(path)(b"", timeout=60)
    try:
        for _ in call:
            call.cancel()
    except grpc.RpcError:
        pass
    code: grpc.StatusCode = call.code()
    return code


@pytest.mark.parametrize("path", METHODS)
def test_every_method_of_every_service_is_bound(serve: Serve, path: str) -> None:
    code = code_of(serve().channel, path, METHODS[path])
    assert (code is grpc.StatusCode.UNIMPLEMENTED) is (path in LEFT_OUT)
