"""Other people's clients against our RPC objects on a real socket, and against a running server."""

from collections.abc import Iterator
from concurrent import futures

import grpc
import numpy as np
import pytest

from accelserve.protos import inference
from accelserve.protos import tensorflow as tf
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import InferenceService, ModelService, PredictionService, generic_handler
from accelserve.protos.tensors import from_array, shape_proto, to_strings

from .conftest import ELSEWHERE, foreign_module, run_program

pytestmark = pytest.mark.interop


def predict(request: serving.PredictRequest, context: grpc.ServicerContext) -> serving.PredictResponse:
    """Answers each image with its length."""
    _, images = to_strings(request.inputs["images"])
    response = serving.PredictResponse(model_spec=request.model_spec)
    lengths = np.array([len(image) for image in images], dtype=np.float32)
    response.outputs["output_alias"].CopyFrom(from_array(lengths))
    return response


def describe(
    request: serving.GetModelMetadataRequest, context: grpc.ServicerContext
) -> serving.GetModelMetadataResponse:
    signatures = serving.SignatureDefMap()
    signature = signatures.signature_def["serving_default"]
    signature.inputs["images"].CopyFrom(
        tf.TensorInfo(name="images:0", dtype=tf.DT_STRING, tensor_shape=shape_proto([-1]))
    )
    signature.outputs["output_alias"].CopyFrom(
        tf.TensorInfo(name="scores:0", dtype=tf.DT_FLOAT, tensor_shape=shape_proto([-1, 2]))
    )
    response = serving.GetModelMetadataResponse(model_spec=serving.ModelSpec(name="lengths"))
    response.model_spec.version.value = 1
    response.metadata["signature_def"].Pack(signatures)
    return response


def status(
    request: serving.GetModelStatusRequest, context: grpc.ServicerContext
) -> serving.GetModelStatusResponse:
    response = serving.GetModelStatusResponse()
    response.model_version_status.add(version=1, state=serving.ModelVersionStatus.AVAILABLE)
    return response


def infer(
    request: inference.ModelInferRequest, context: grpc.ServicerContext
) -> inference.ModelInferResponse:
    """Answers the first input's bytes as they came."""
    response = inference.ModelInferResponse(model_name=request.model_name, id=request.id)
    response.outputs.add(
        name="echo", datatype=request.inputs[0].datatype, shape=list(request.inputs[0].shape)
    )
    response.raw_output_contents.append(request.raw_input_contents[0])
    return response


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = grpc.server(futures.ThreadPoolExecutor(4))
    prediction = [
        PredictionService.PREDICT.bind(predict),
        PredictionService.GET_MODEL_METADATA.bind(describe),
    ]
    handlers = [
        prediction,
        [ModelService.GET_MODEL_STATUS.bind(status)],
        [InferenceService.MODEL_INFER.bind(infer)],
    ]
    server.add_generic_rpc_handlers([generic_handler(methods) for methods in handlers])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def test_the_official_stubs(address: str) -> None:
    tensorflow = foreign_module("tensorflow")
    predict_pb2 = foreign_module("tensorflow_serving.apis.predict_pb2")
    stubs = foreign_module("tensorflow_serving.apis.prediction_service_pb2_grpc")
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "lengths"
    request.inputs["images"].CopyFrom(tensorflow.make_tensor_proto([b"1", b"333"]))
    with grpc.insecure_channel(address) as channel:
        response = stubs.PredictionServiceStub(channel).Predict(request, timeout=60)
    assert tensorflow.make_ndarray(response.outputs["output_alias"]).tolist() == [1, 3]
    assert list(response.outputs["output_alias"].float_val) == [1, 3]


OVMSCLIENT_CALLS = """
import sys
import numpy
import ovmsclient
client = ovmsclient.make_grpc_client(sys.argv[1])
assert client.predict({"images": [b"1", b"333"]}, "lengths", timeout=60).tolist() == [1, 3]
assert client.get_model_status("lengths", timeout=60)[1]["state"] == "AVAILABLE"
metadata = client.get_model_metadata("lengths", timeout=60)
assert metadata["model_version"] == 1
assert metadata["inputs"]["images"]["dtype"] == "DT_STRING", metadata
assert metadata["outputs"]["output_alias"]["shape"] == [-1, 2], metadata
"""


def test_ovmsclient(address: str) -> None:
    # In a process of its own: its copies of TensorFlow's messages and the official ones exclude each other.
    pytest.importorskip("ovmsclient", reason=ELSEWHERE)
    run_program(OVMSCLIENT_CALLS, address)


def test_tritonclient(address: str) -> None:
    triton = foreign_module("tritonclient.grpc")
    images = np.array([b"jpeg", b"\x00\xff"], dtype=object)
    sent = triton.InferInput("images", [2], "BYTES")
    sent.set_data_from_numpy(images)
    with triton.InferenceServerClient(address) as client:
        result = client.infer("lengths", [sent], request_id="7")
    assert result.as_numpy("echo").tolist() == images.tolist()
    assert result.get_response().id == "7"


def test_the_official_stubs_on_a_running_server(server_address: str) -> None:
    tensorflow = foreign_module("tensorflow")
    metadata_pb2 = foreign_module("tensorflow_serving.apis.get_model_metadata_pb2")
    stubs = foreign_module("tensorflow_serving.apis.prediction_service_pb2_grpc")
    request = metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    with grpc.insecure_channel(server_address) as channel:
        response = stubs.PredictionServiceStub(channel).GetModelMetadata(request, timeout=60)
    signatures = metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    images = signatures.signature_def["serving_default"].inputs["images"]
    assert tensorflow.as_dtype(images.dtype) == tensorflow.string
