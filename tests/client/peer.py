"""A small real server as the client's peer: every request is recorded, every answer is a function of the test's."""

from collections.abc import Callable
from concurrent import futures
from dataclasses import dataclass, field

import grpc
import numpy as np

from accelserve.client import RetryPolicy
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import ModelService, PredictionService, generic_handler
from accelserve.protos.tensors import from_array, to_strings

Answer = Callable[[serving.PredictRequest, grpc.ServicerContext], serving.PredictResponse]

QUICK_RETRY = RetryPolicy(max_attempts=4, initial_backoff_s=0.001, max_backoff_s=0.002)


def image_lengths(
    request: serving.PredictRequest,
    context: grpc.ServicerContext,
    names: tuple[str, str] = ("lengths", "doubled"),
) -> serving.PredictResponse:
    """Answers each image with its length, [N, 1], and twice that."""
    _, images = to_strings(request.inputs["images"])
    lengths = np.array([[len(image)] for image in images], dtype=np.float32)
    response = serving.PredictResponse(model_spec=request.model_spec)
    for name, array in zip(names, (lengths, 2 * lengths), strict=True):
        if not request.output_filter or name in request.output_filter:
            response.outputs[name].CopyFrom(from_array(array))
    return response


@dataclass
class Peer:
    """What the tests tell the server and what the server saw."""

    answer: Answer = image_lengths
    metadata_answer: serving.GetModelMetadataResponse = field(
        default_factory=serving.GetModelMetadataResponse
    )
    status_answer: serving.GetModelStatusResponse = field(default_factory=serving.GetModelStatusResponse)
    requests: list[serving.PredictRequest] = field(default_factory=list)
    headers: list[dict[str, str | bytes]] = field(default_factory=list)
    specs: list[serving.ModelSpec] = field(default_factory=list)
    port: int = 0

    def predict(
        self, request: serving.PredictRequest, context: grpc.ServicerContext
    ) -> serving.PredictResponse:
        self.requests.append(request)
        self.headers.append({str(key): value for key, value in context.invocation_metadata()})
        return self.answer(request, context)

    def metadata(
        self, request: serving.GetModelMetadataRequest, context: grpc.ServicerContext
    ) -> serving.GetModelMetadataResponse:
        self.specs.append(request.model_spec)
        return self.metadata_answer

    def status(
        self, request: serving.GetModelStatusRequest, context: grpc.ServicerContext
    ) -> serving.GetModelStatusResponse:
        self.specs.append(request.model_spec)
        return self.status_answer


def start(
    peer: Peer,
    *,
    address: str = "127.0.0.1:0",
    credentials: grpc.ServerCredentials | None = None,
    register: Callable[[grpc.Server], object] = lambda server: None,
) -> grpc.Server:
    """Serves `peer`, and what is registered beside it; its port is in `peer.port`."""
    server = grpc.server(
        futures.ThreadPoolExecutor(16),
        options=[("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)],
    )
    prediction = [
        PredictionService.PREDICT.bind(peer.predict),
        PredictionService.GET_MODEL_METADATA.bind(peer.metadata),
    ]
    model = [ModelService.GET_MODEL_STATUS.bind(peer.status)]
    server.add_generic_rpc_handlers([generic_handler(prediction), generic_handler(model)])
    register(server)
    if credentials is None:
        peer.port = server.add_insecure_port(address)
    else:
        peer.port = server.add_secure_port(address, credentials)
    server.start()
    return server
