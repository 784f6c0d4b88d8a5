"""The bodies of all four protocols, read back by their own messages."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest

from accelserve.loadgen.errors import LoadError
from accelserve.loadgen.plan import Api, Form, PixelTensor, Target
from accelserve.loadgen.requests import body_of, path_of
from accelserve.protos import inference
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.tensors import to_array

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
    request = inference.ModelInferRequest.FromString(body_of(target, IMAGES, Form(column=column)).content)
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


def test_infer_over_http_for_servers_without_the_binary_extension() -> None:
    target = Target(address="http://h:1", api="kserve", **WISHES)  # type: ignore[arg-type]
    body = body_of(target, IMAGES, Form(column=True, as_json=True))
    content = json.loads(body.content)
    (tensor,) = content["inputs"]
    assert content["parameters"] == {"signature_name": "features"}
    assert (tensor["name"], tensor["datatype"], tensor["shape"]) == ("x", "BYTES", [2, 1])
    assert tensor["parameters"] == {"content_type": "base64"}  # MLServer's codec of that name
    assert [base64.b64decode(each) for each in tensor["data"]] == IMAGES
    assert "inference-header-content-length" not in body.headers


PIXELS = {
    "uint8": PixelTensor(dtype="uint8", height=2, width=3, channels=3, channels_first=False),
    "float32": PixelTensor(dtype="float32", height=2, width=3, channels=1, channels_first=True),
}


def tensors_of(dtype: str) -> np.ndarray[Any, Any]:
    values = np.arange(36, dtype=np.uint8).reshape(2, 2, 3, 3)
    return values if dtype == "uint8" else (values[:, None, :, :, 0] / np.float32(255)).astype(np.float32)


def target_of(address: str, api: Api, dtype: str) -> Target:
    return Target(address=address, api=api, pixels=PIXELS[dtype], **WISHES)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", PIXELS)
def test_pixels_are_a_tensor_in_every_protocol(dtype: str) -> None:
    sent = tensors_of(dtype)
    files = [each.tobytes() for each in sent]

    request = serving.PredictRequest.FromString(body_of(target_of("h:1", "tfserving", dtype), files).content)
    read = to_array(request.inputs["x"])
    assert read.dtype == sent.dtype
    assert np.array_equal(read, sent)

    infer = inference.ModelInferRequest.FromString(body_of(target_of("h:1", "kserve", dtype), files).content)
    (tensor,) = infer.inputs
    assert (tensor.datatype, list(tensor.shape)) == ({"uint8": "UINT8"}.get(dtype, "FP32"), list(sent.shape))
    assert list(infer.raw_input_contents) == [sent.tobytes()]

    body = body_of(target_of("http://h:1", "kserve", dtype), files)
    end = int(body.headers["inference-header-content-length"])
    (given,) = json.loads(body.content[:end])["inputs"]
    assert (given["datatype"], given["shape"]) == (tensor.datatype, list(sent.shape))
    assert body.content[end:] == sent.tobytes()
    assert given["parameters"]["binary_data_size"] == len(sent.tobytes())

    plain = body_of(target_of("http://h:1", "kserve", dtype), files, Form(as_json=True))
    (given,) = json.loads(plain.content)["inputs"]
    assert given["shape"] == list(sent.shape)
    assert np.allclose(np.array(given["data"]), sent, atol=5e-7, rtol=0)

    rows = json.loads(body_of(target_of("http://h:1", "tfserving", dtype), files).content)["instances"]
    assert np.allclose(np.array([row["x"] for row in rows]), sent, atol=5e-7, rtol=0)


def test_a_name_is_quoted_and_there_has_to_be_one() -> None:
    assert path_of(Target(address="http://h", model="a/b c")) == "/v1/models/a%2Fb%20c:predict"
    with pytest.raises(LoadError, match="--model is needed over REST"):
        path_of(Target(address="http://h"))
