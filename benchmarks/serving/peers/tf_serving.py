"""A plain grpcio server of TensorFlow Serving's Predict, so that every such server gets the very same bytes."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from numpy.typing import NDArray

Answer = Callable[[list[bytes]], Mapping[str, NDArray[np.float32]]]
WORKERS = 10
"""Requests handled at once: what grpcio's own examples have."""
MAX_MESSAGE_BYTES = 256 * 2**20
DT_FLOAT = 1


def messages(descriptors: str) -> Callable[[str], Any]:
    """A function from the name of one of TensorFlow Serving's messages to its class.

    Args:
        descriptors: path of a FileDescriptorSet that has them.
    """
    files = descriptor_pb2.FileDescriptorSet.FromString(Path(descriptors).read_bytes())
    pool = descriptor_pool.DescriptorPool()  # of its own: TensorFlow fills the default one
    for file in files.file:
        pool.Add(file)
    return lambda name: message_factory.GetMessageClass(
        pool.FindMessageTypeByName(f"tensorflow.serving.{name}")
    )


def serve(answer: Answer, task_name: str, descriptors: str, workers: int = WORKERS) -> None:
    """Listen on a port that the system chooses, print ``ready PORT``, and answer until SIGTERM.

    Args:
        answer: encoded pictures to outputs, whose first axis is the pictures'. Called by several threads at once.
        task_name: of the model.
        descriptors: path of a FileDescriptorSet.
        workers: requests handled at once.
    """
    message = messages(descriptors)
    request_type, response_type = message("PredictRequest"), message("PredictResponse")

    def predict(request: Any, context: grpc.ServicerContext) -> Any:
        if request.model_spec.name != task_name:
            context.abort(grpc.StatusCode.NOT_FOUND, f"no model {request.model_spec.name!r}")
        response = response_type()
        for name, array in answer(list(request.inputs["images"].string_val)).items():
            tensor = response.outputs[name]
            tensor.dtype = DT_FLOAT
            for size in array.shape:
                tensor.tensor_shape.dim.add(size=size)
            tensor.tensor_content = array.tobytes()
        return response

    method = grpc.unary_unary_rpc_method_handler(
        predict,
        request_deserializer=request_type.FromString,
        response_serializer=response_type.SerializeToString,
    )
    handlers = grpc.method_handlers_generic_handler(
        "tensorflow.serving.PredictionService", {"Predict": method}
    )
    sizes = [(f"grpc.max_{way}_message_length", MAX_MESSAGE_BYTES) for way in ("receive", "send")]
    server = grpc.server(ThreadPoolExecutor(workers), options=sizes)
    server.add_generic_rpc_handlers((handlers,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"ready {port}", flush=True)
    end = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: end.set())
    end.wait()
    server.stop(grace=1).wait()
