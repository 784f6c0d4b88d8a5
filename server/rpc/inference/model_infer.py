"""inference.GRPCInferenceService/ModelInfer and ModelStreamInfer."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import grpc
from google.protobuf.message import DecodeError

from accelserve.protos import inference
from accelserve.protos.services import BoundMethod, InferenceService
from accelserve.server.dataplane.predictor import Predictor
from accelserve.server.dataplane.servable import Array
from accelserve.server.errors import InvalidRequestError
from accelserve.server.protocols.open_inference.call import (
    CLASSIFICATION_PARAMETER,
    SIGNATURE_PARAMETER,
    InferAnswer,
    InferCall,
    infer,
)
from accelserve.server.protocols.open_inference.tensors import (
    array_of_contents,
    array_of_raw,
    check_new,
    contents_of,
    datatype_of,
    has_contents,
    raw_of,
)
from accelserve.server.protocols.status import Status, status_of
from accelserve.server.rpc.guard import Observe, on_pool, watch_of
from accelserve.server.rpc.streams import OpenStreams
from accelserve.server.scheduler.watch import CallWatch

# Triton's word to clients that ask with enable_empty_final_response, and wait until a response says that it is the last
# of its request: here the first one always is.
_FINAL = "triton_final_response"


@dataclass(frozen=True, slots=True)
class ModelInfer:
    """Answers from the data plane: raw tensors to a request with raw ones, typed to typed."""

    predictor: Predictor

    def __call__(
        self, request: inference.ModelInferRequest, watch: CallWatch
    ) -> inference.ModelInferResponse:
        """Answer one request.

        Raises:
            InvalidRequestError: tensors that do not hold together.
            Exception: as the data plane raises them.
        """
        call = InferCall(
            model_name=request.model_name,
            model_version=request.model_version,
            signature=request.parameters[SIGNATURE_PARAMETER].string_param
            if SIGNATURE_PARAMETER in request.parameters
            else "",
            inputs=_inputs(request),
            outputs=_outputs(request),
        )
        return _response(request, infer(self.predictor, call, watch))


class ModelStreamInfer:
    """One answer a request, in order, until the client closes the stream; a bad request does not end it."""

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
        return self._streams.run(context, lambda: (self._one(raw, watch) for raw in requests))

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
        self._observe(request, status, time.perf_counter() - begin)
        return response.SerializeToString()


def _parse(raw: bytes) -> inference.ModelInferRequest:
    try:
        return inference.ModelInferRequest.FromString(raw)
    except DecodeError as error:
        raise InvalidRequestError(f"ModelStreamInfer: {len(raw)} bytes are no request: {error}") from error


def _inputs(request: inference.ModelInferRequest) -> dict[str, Array]:
    raw = request.raw_input_contents
    seen: set[str] = set()
    for tensor in request.inputs:
        check_new(tensor.name, seen)
        seen.add(tensor.name)
    if not raw:
        return {
            tensor.name: array_of_contents(tensor.name, tensor.datatype, tensor.shape, tensor.contents)
            for tensor in request.inputs
        }
    if len(raw) != len(request.inputs):
        raise InvalidRequestError(
            f"{len(request.inputs)} inputs, but {len(raw)} raw_input_contents: all inputs are raw, or none is"
        )
    return {
        tensor.name: array_of_raw(tensor.name, tensor.datatype, tensor.shape, content)
        for tensor, content in zip(request.inputs, raw, strict=True)
    }


def _outputs(request: inference.ModelInferRequest) -> Mapping[str, int]:
    outputs: dict[str, int] = {}
    for output in request.outputs:
        if output.name in outputs:
            raise InvalidRequestError(f"output '{output.name}' is asked for twice")
        classes = CLASSIFICATION_PARAMETER in output.parameters
        outputs[output.name] = output.parameters[CLASSIFICATION_PARAMETER].int64_param if classes else 0
    return outputs


def _response(request: inference.ModelInferRequest, answer: InferAnswer) -> inference.ModelInferResponse:
    raw = bool(request.raw_input_contents) or not all(map(has_contents, answer.outputs.values()))
    return inference.ModelInferResponse(
        model_name=answer.servable_id.name,
        model_version=str(answer.servable_id.version),
        id=request.id,
        outputs=[
            inference.ModelInferResponse.InferOutputTensor(
                name=name,
                datatype=datatype_of(array.dtype.name),
                shape=array.shape,
                contents=None if raw else contents_of(array),
            )
            for name, array in answer.outputs.items()
        ],
        raw_output_contents=[raw_of(array) for array in answer.outputs.values()] if raw else [],
    )
