"""The official stubs and OpenVINO's client against a running `accelserve serve` with a trained network."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

import grpc
import numpy as np
import pytest
from tests.interop.conftest import MODEL_VARIABLE, foreign_module, run_program

TIMEOUT_S = 60


@pytest.fixture(scope="module")
def photographs() -> list[bytes]:
    base_path = os.environ.get(MODEL_VARIABLE)
    if base_path is None:
        pytest.skip(f"{MODEL_VARIABLE} names no servable")
    files = sorted((Path(base_path).parents[1] / "calibration").glob("*.jpg"))
    assert len(files) >= 8
    return [file.read_bytes() for file in files[:8]]


@pytest.fixture(scope="module")
def tensorflow() -> ModuleType:
    return foreign_module("tensorflow")


@pytest.fixture(scope="module")
def predict_pb2() -> ModuleType:
    return foreign_module("tensorflow_serving.apis.predict_pb2")


@pytest.fixture
def stub(server_address: str, tensorflow: ModuleType) -> object:
    stubs = foreign_module("tensorflow_serving.apis.prediction_service_pb2_grpc")
    return stubs.PredictionServiceStub(grpc.insecure_channel(server_address))


def predict(stub: object, request: object) -> object:
    return stub.Predict(request, timeout=TIMEOUT_S)  # type: ignore[attr-defined]


def test_one_photograph_as_make_tensor_proto_sends_it(
    stub: object, tensorflow: ModuleType, predict_pb2: ModuleType, photographs: list[bytes]
) -> None:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "open-nsfw"
    request.inputs["images"].CopyFrom(tensorflow.make_tensor_proto(photographs[0]))
    response = predict(stub, request)
    scores = tensorflow.make_ndarray(response.outputs["output_alias"])  # type: ignore[attr-defined]
    assert scores.shape == (1, 2)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores.sum(), 1, atol=1e-5)
    assert response.model_spec.version.value == 1  # type: ignore[attr-defined]
    assert response.model_spec.signature_name == "serving_default"  # type: ignore[attr-defined]


def test_a_batch_answers_as_its_photographs_do_one_by_one(
    stub: object, tensorflow: ModuleType, predict_pb2: ModuleType, photographs: list[bytes]
) -> None:
    def ask(images: list[bytes]) -> np.ndarray:
        request = predict_pb2.PredictRequest()
        request.model_spec.name = "open-nsfw"
        request.inputs["images"].CopyFrom(tensorflow.make_tensor_proto(images))
        return np.asarray(tensorflow.make_ndarray(predict(stub, request).outputs["output_alias"]))  # type: ignore[attr-defined]

    np.testing.assert_array_equal(ask(photographs), np.concatenate([ask([image]) for image in photographs]))


def test_features_by_their_signature(
    stub: object, tensorflow: ModuleType, predict_pb2: ModuleType, photographs: list[bytes]
) -> None:
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = "features"
    request.inputs["images"].CopyFrom(tensorflow.make_tensor_proto(photographs[:2]))
    outputs = predict(stub, request).outputs  # type: ignore[attr-defined]
    assert {name: tensorflow.make_ndarray(value).shape for name, value in outputs.items()} == {
        "features": (2, 1, 1, 1024)
    }


def test_a_float_tensor_needs_no_jpeg(stub: object, tensorflow: ModuleType, predict_pb2: ModuleType) -> None:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "open-nsfw"
    image = np.random.default_rng(0).uniform(-100, 100, (2, 224, 224, 3)).astype(np.float32)
    request.inputs["images"].CopyFrom(tensorflow.make_tensor_proto(image))
    scores = tensorflow.make_ndarray(predict(stub, request).outputs["output_alias"])  # type: ignore[attr-defined]
    assert scores.shape == (2, 2)


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ("truncated", grpc.StatusCode.INVALID_ARGUMENT, "Invalid JPEG data or crop window."),
        (
            "text",
            grpc.StatusCode.INVALID_ARGUMENT,
            "Unknown image file format. One of JPEG, PNG, GIF, BMP, WebP required.",
        ),
        ("model", grpc.StatusCode.NOT_FOUND, "Servable not found for request: Latest(elsewhere)"),
        ("signature", grpc.StatusCode.FAILED_PRECONDITION, 'Serving signature key "other" not found.'),
    ],
)
def test_faults_have_tensorflow_servings_status_and_words(
    stub: object,
    tensorflow: ModuleType,
    predict_pb2: ModuleType,
    photographs: list[bytes],
    change: str,
    code: grpc.StatusCode,
    words: str,
) -> None:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "elsewhere" if change == "model" else "open-nsfw"
    request.model_spec.signature_name = "other" if change == "signature" else ""
    image = {"truncated": photographs[0][:2000], "text": b"no picture"}.get(change, photographs[0])
    request.inputs["images"].CopyFrom(tensorflow.make_tensor_proto([photographs[1], image]))
    with pytest.raises(grpc.RpcError) as failure:
        predict(stub, request)
    assert failure.value.code() is code
    details = str(failure.value.details())
    assert words in details
    if change in {"truncated", "text"}:
        assert "1" in details, "the element of the batch is named"


OVMSCLIENT = """
import sys
from pathlib import Path
import ovmsclient
client = ovmsclient.make_grpc_client(sys.argv[1])
image = Path(sys.argv[2]).read_bytes()
assert client.predict({"images": [image, image]}, "open-nsfw", timeout=60).shape == (2, 2)
assert client.get_model_status("open-nsfw", timeout=60)[1]["state"] == "AVAILABLE"
assert client.get_model_metadata("open-nsfw", timeout=60)["inputs"]["images"]["dtype"] == "DT_STRING"
"""


def test_openvinos_client(server_address: str, photographs: list[bytes], tmp_path: Path) -> None:
    # In a process of its own: its copies of TensorFlow's messages and the official ones exclude each other.
    pytest.importorskip("ovmsclient")
    (tmp_path / "photograph.jpg").write_bytes(photographs[0])
    run_program(OVMSCLIENT, server_address, str(tmp_path / "photograph.jpg"))
