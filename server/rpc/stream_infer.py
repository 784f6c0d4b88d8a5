"""inference.GRPCInferenceService/ModelStreamInfer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf.message import DecodeError

from accelserve.protos import inference
from accelserve.protos.services import BoundMethod, InferenceService
from accelserve.server.errors import InvalidRequestError
from accelserve.server.protocols.open_inference.model_infer import ModelInfer
from accelserve.server.protocols.status import Status, status_of
from accelserve.server.rpc.guard import Observe, on_pool, watch_of
from accelserve.server.rpc.streams import OpenStreams
from accelserve.server.scheduler.watch import CallWatch

# Triton's word to clients that ask with enable_empty_final_response, and wait until a response says that it is the last
# of its request: here the first one always is.
_FINAL = "triton_final_response"


class ModelStreamInfer:
    """One answer a request, in order, until the client closes the stream or the server drains; a bad request does not end it."""

    def __init__(
        self, answer: ModelInfer, streams: OpenStreams, observe: Observe[inference.ModelInferRequest]
    ) -> None:
        self._answer = answer
        self._streams = streams
        self._observe = observe

    def method(self, pool: ThreadPoolExecutor) -> BoundMethod:
        """The RPC, on a pool that predictions do not fill."""
        # Without a parser of its own gRPC hands over bytes: one bad message shall not end the stream.
        handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(
            on_pool(pool, self.stream)
        )
        return BoundMethod(path=InferenceService.MODEL_STREAM_INFER.path, handler=handler)

    def stream(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        """The answers."""
        watch = watch_of(context)
        return self._streams.answers(context, requests, lambda raw: self._one(raw, watch))

    def _one(self, raw: bytes, watch: CallWatch) -> bytes:
        begin = time.perf_counter()
        request: inference.ModelInferRequest | None = None
        status: Status | None = None
        try:
            request = _parse(raw)
            response = inference.ModelStreamInferResponse(infer_response=self._answer(request, watch))
        except Exception as error:  # noqa: BLE001 - the boundary: whatever happened becomes a status
            status = status_of(error)
            # The identity tells a client with several requests under way which of them failed.
            failed = inference.ModelInferResponse(id="" if request is None else request.id)
            response = inference.ModelStreamInferResponse(error_message=status.message, infer_response=failed)
        response.infer_response.parameters[_FINAL].bool_param = True
        serialized = response.SerializeToString()
        self._observe(request, status, time.perf_counter() - begin)
        return serialized


def _parse(raw: bytes) -> inference.ModelInferRequest:
    try:
        return inference.ModelInferRequest.FromString(raw)
    except DecodeError as error:
        raise InvalidRequestError(f"ModelStreamInfer: {len(raw)} bytes are no request: {error}") from error
