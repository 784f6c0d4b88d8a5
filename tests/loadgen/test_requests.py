"""The bodies of all four protocols, read back by their own messages."""

from __future__ import annotations

import base64
import json

import pytest

from accelserve.loadgen.errors import LoadError
from accelserve.loadgen.plan import Target
from accelserve.loadgen.requests import body_of, path_of
from accelserve.protos import inference
from accelserve.protos import tensorflow_serving as serving

IMAGES = [b"\xff\xd8 one", b"two"]
WISHES = {"model": "m", "version": 3, "signature": "features", "input_name": "x"}


def test_predict() -> None:
    target = Target(address="h:1", **WISHES)  # type: ignore[arg-type]
    request = serving.PredictRequest.FromString(body_of(target, IMAGES).content)
    assert (request.model_spec.name, request.model_spec.version.value) == ("m", 3)
    assert request.model_spec.signature_name == "features"
    assert list(request.inputs["x"].string_val) == IMAGES
    assert [dim.size for dim in request.inputs["x"].tensor_shape.dim] == [2]


def test_predict_over_http() -> None:
    target = Target(address="http://h:1", **WISHES)  # type: ignore[arg-type]
    body = json.loads(body_of(target, IMAGES).content)
    assert body["signature_name"] == "features"
    assert [base64.b64decode(row["x"]["b64"]) for row in body["instances"]] == IMAGES
    assert path_of(target) == "/v1/models/m/versions/3:predict"


@pytest.mark.parametrize(("column", "shape"), [(False, [2]), (True, [2, 1])])
def test_infer(column: bool, shape: list[int]) -> None:
    target = Target(address="h:1", api="kserve", **WISHES)  # type: ignore[arg-type]
    request = inference.ModelInferRequest.FromString(body_of(target, IMAGES, column=column).content)
    assert (request.model_name, request.model_version) == ("m", "3")
    assert request.parameters["signature_name"].string_param == "features"
    (tensor,) = request.inputs
    assert (tensor.name, tensor.datatype, list(tensor.shape)) == ("x", "BYTES", shape)
    assert list(tensor.contents.bytes_contents) == IMAGES


def test_infer_over_http() -> None:
    target = Target(address="http://h:1", api="kserve", **WISHES)  # type: ignore[arg-type]
    body = body_of(target, IMAGES)
    end = int(body.headers["inference-header-content-length"])
    (tensor,) = json.loads(body.content[:end])["inputs"]
    raw = body.content[end:]
    assert tensor["parameters"]["binary_data_size"] == len(raw)
    assert raw == b"\x06\x00\x00\x00" + IMAGES[0] + b"\x03\x00\x00\x00" + IMAGES[1]
    assert path_of(target) == "/v2/models/m/versions/3/infer"


def test_a_name_is_quoted_and_there_has_to_be_one() -> None:
    assert path_of(Target(address="http://h", model="a/b c")) == "/v1/models/a%2Fb%20c:predict"
    with pytest.raises(LoadError, match="--model is needed over REST"):
        path_of(Target(address="http://h"))
