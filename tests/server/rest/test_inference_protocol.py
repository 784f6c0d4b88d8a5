"""The Open Inference Protocol over HTTP."""

from __future__ import annotations

import base64
import gzip
import io
import json
import struct
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

Rest = Callable[..., tuple[SimpleNamespace, httpx.Client]]
INFER = "/v2/models/colour/infer"
LENGTH = "Inference-Header-Content-Length"


def solid(red: int, green: int, blue: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), (red, green, blue)).save(stream, "PNG")
    return stream.getvalue()


def prefixed(*items: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(item)) + item for item in items)


DIM, RED = solid(1, 2, 3), solid(200, 0, 0)


@pytest.fixture
def client(rest: Rest) -> httpx.Client:
    return rest()[1]


def images(datatype: str, shape: list[int], **rest: Any) -> dict[str, Any]:
    return {"name": "images", "datatype": datatype, "shape": shape, **rest}


def post(
    client: httpx.Client, content: dict[str, Any], binary: bytes = b"", path: str = INFER, **headers: str
) -> httpx.Response:
    raw = json.dumps(content).encode()
    if binary:
        headers = {LENGTH: str(len(raw)), **headers}
    return client.post(path, content=raw + binary, headers=headers)


def test_everything_in_json(client: httpx.Client) -> None:
    data = [[{"b64": base64.b64encode(DIM).decode()}], [{"b64": base64.b64encode(RED).decode()}]]
    body = {"id": "7", "inputs": [images("BYTES", [2, 1], data=data)], "outputs": [{"name": "output_alias"}]}
    response = post(client, body)
    assert response.json() == {
        "model_name": "colour",
        "model_version": "1",
        "id": "7",
        "outputs": [
            {
                "name": "output_alias",
                "datatype": "FP32",
                "shape": [2, 3],
                "data": [1, 2, 3, 200, 0, 0],
            }
        ],
    }
    assert LENGTH not in response.headers


def test_floats_in_json(client: httpx.Client) -> None:
    data = np.full((1, 8, 8, 3), (4, 5, 6), np.float32).tolist()
    body = {"inputs": [images("FP32", [1, 8, 8, 3], data=data)], "parameters": {"signature_name": "features"}}
    (output,) = post(client, body).json()["outputs"]
    assert output["data"] == [4, 5, 6]


def test_text_of_base64(client: httpx.Client) -> None:
    parameters = {"content_type": "base64"}
    data = [base64.b64encode(DIM).decode()]
    body = {"inputs": [images("BYTES", [1], data=data, parameters=parameters)]}
    assert post(client, body).json()["outputs"][1]["data"] == [1, 2, 3]


def test_binary_both_ways(client: httpx.Client) -> None:
    binary = prefixed(DIM, RED)
    body = {
        "inputs": [images("BYTES", [2], parameters={"binary_data_size": len(binary)})],
        "parameters": {"binary_data_output": True},
    }
    response = post(client, body, binary)
    end = int(response.headers[LENGTH])
    assert response.headers["content-type"] == "application/octet-stream"
    outputs = json.loads(response.content[:end])["outputs"]
    assert [output["parameters"] for output in outputs] == [{"binary_data_size": 24}, {"binary_data_size": 6}]
    floats = np.frombuffer(response.content[end : end + 24], "<f4")
    assert floats.tolist() == [1, 2, 3, 200, 0, 0]
    assert response.content[end + 24 :] == bytes([1, 2, 3, 200, 0, 0])


def test_binary_for_one_output_only(client: httpx.Client) -> None:
    binary = prefixed(DIM)
    body = {
        "inputs": [images("BYTES", [1], parameters={"binary_data_size": len(binary)})],
        "outputs": [
            {"name": "output_alias"},
            {"name": "brightest", "parameters": {"binary_data": True}},
        ],
    }
    response = post(client, body, binary)
    end = int(response.headers[LENGTH])
    plain, raw = json.loads(response.content[:end])["outputs"]
    assert plain["data"] == [1, 2, 3]
    assert "data" not in raw
    assert response.content[end:] == bytes([1, 2, 3])


def test_compressed_binary(client: httpx.Client) -> None:
    binary = prefixed(DIM)
    head = json.dumps(
        {"inputs": [images("BYTES", [1], parameters={"binary_data_size": len(binary)})]}
    ).encode()
    headers = {LENGTH: str(len(head)), "content-encoding": "gzip"}
    response = client.post(INFER, content=gzip.compress(head + binary), headers=headers)
    assert response.json()["outputs"][0]["data"] == [1, 2, 3]


def test_the_best_classes(client: httpx.Client) -> None:
    body = {
        "inputs": [images("BYTES", [1], data=[{"b64": base64.b64encode(DIM).decode()}])],
        "outputs": [{"name": "output_alias", "parameters": {"classification": 2}}],
    }
    (output,) = post(client, body).json()["outputs"]
    assert output["data"] == ["3.000000:2:blue", "2.000000:1:green"]
    assert (output["datatype"], output["shape"]) == ("BYTES", [1, 2])


FAULTS: dict[str, tuple[dict[str, Any], bytes, dict[str, str], str]] = {
    "no-inputs": ({}, b"", {}, "JSON Parse error: Object missing required field `inputs`"),
    "length-beyond-the-body": (
        {"inputs": []},
        b"",
        {LENGTH: "9999"},
        "Inference-Header-Content-Length is '9999'",
    ),
    "length-no-number": (
        {"inputs": []},
        b"",
        {LENGTH: "x" * 30},
        "Inference-Header-Content-Length is 'xxx",
    ),
    "neither-data-nor-binary": (
        {"inputs": [images("FP32", [1])]},
        b"",
        {},
        "input 'images' has neither data nor a binary_data_size",
    ),
    "binary-cut-short": (
        {"inputs": [images("UINT8", [9], parameters={"binary_data_size": 9})]},
        b"123",
        {},
        "input 'images' has a binary_data_size of 9, but 3 bytes are left",
    ),
    "binary-left-over": (
        {"inputs": [images("UINT8", [1], parameters={"binary_data_size": 1})]},
        b"123",
        {},
        "2 bytes after the last input belong to none",
    ),
    "binary-size-no-number": (
        {"inputs": [images("UINT8", [1], parameters={"binary_data_size": -1})]},
        b"",
        {},
        "parameter 'binary_data_size' is -1; expected a whole number of 0 or more",
    ),
    "not-base64": (
        {"inputs": [images("BYTES", [1], data=[{"b64": "%"}])]},
        b"",
        {},
        "an element of input 'images' is not base64",
    ),
    "no-text": (
        {"inputs": [images("BYTES", [1], data=[1])]},
        b"",
        {},
        "an element of input 'images' is neither text nor",
    ),
    "no-number": (
        {"inputs": [images("FP32", [1], data=["x"])]},
        b"",
        {},
        'JSON Value: "x" Type: String is not of expected type: FP32',
    ),
    "length-of-more-digits-than-python-reads": (
        {"inputs": []},
        b"",
        {LENGTH: "0" * 5000 + "9999"},
        "Inference-Header-Content-Length is '000",
    ),
    "unknown-datatype": (
        {"inputs": [images("JPEG", [1], data=[{"b64": "YQ=="}])]},
        b"",
        {},
        "inference input 'images' has datatype 'JPEG'; known are BYTES, BOOL,",
    ),
    "input-given-twice": (
        {"inputs": [images("BYTES", [1], data=["a"]), images("BYTES", [1], data=["b"])]},
        b"",
        {},
        "input 'images' is given twice",
    ),
    "signature-that-is-no-text": (
        {"inputs": [images("BYTES", [1], data=["a"])], "parameters": {"signature_name": ["features"]}},
        b"",
        {},
        "parameter 'signature_name' is ['features']; expected a signature's name",
    ),
    "fewer-values-than-the-shape-says": (
        {"inputs": [images("FP32", [2], data=[1])]},
        b"",
        {},
        "inference input 'images' of shape [2] has 2 elements, got 1",
    ),
}


@pytest.mark.parametrize(("body", "binary", "headers", "words"), FAULTS.values(), ids=FAULTS.keys())
def test_faults_are_400(
    client: httpx.Client, body: dict[str, Any], binary: bytes, headers: dict[str, str], words: str
) -> None:
    response = post(client, body, binary, **headers)
    assert response.status_code == 400
    assert response.json()["error"].startswith(words)


def test_zeros_in_front_of_a_length_change_nothing(client: httpx.Client) -> None:
    """RFC 9110 has lengths of any number of digits; Python reads no more than 4300 (``sys.set_int_max_str_digits``)."""
    data = [{"b64": base64.b64encode(DIM).decode()}]
    raw = json.dumps({"inputs": [images("BYTES", [1], data=data)]}).encode()
    response = client.post(INFER, content=raw, headers={LENGTH: str(len(raw)).zfill(5000)})
    assert response.json()["outputs"][0]["data"] == [1, 2, 3]


def test_an_unknown_version_is_404(client: httpx.Client) -> None:
    body = {"inputs": [images("BYTES", [1], data=["x"])]}
    response = post(client, body, path="/v2/models/colour/versions/9/infer")
    assert response.status_code == 404


def test_live_and_ready(client: httpx.Client) -> None:
    codes = {
        "/v2/health/live": 200,
        "/v2/health/ready": 200,
        "/v2/models/colour/ready": 200,
        "/v2/models/colour/versions/1/ready": 200,
        "/v2/models/colour/versions/2/ready": 400,
        "/v2/models/other/ready": 400,
    }
    answers = {path: client.get(path) for path in codes}
    assert {path: answer.status_code for path, answer in answers.items()} == codes
    # KServe's own client (0.21.0) reads these members, whatever the status says.
    assert [answers[path].json() for path in codes] == [
        {"live": True},
        {"ready": True},
        *({"name": "colour", "ready": ready} for ready in (True, True, False)),
        {"name": "other", "ready": False},
    ]


def test_metadata(client: httpx.Client) -> None:
    assert client.get("/v2").json()["name"] == "accelserve"
    described = client.get("/v2/models/colour/versions/1").json()
    assert described["versions"] == ["1"]
    assert described["inputs"] == [{"name": "images", "datatype": "BYTES", "shape": [-1]}]
    assert described["outputs"][1] == {"name": "brightest", "datatype": "UINT8", "shape": [-1, 3]}
    config = client.get("/v2/models/colour/config").json()
    assert config["input"] == [{"name": "images", "data_type": "TYPE_STRING", "dims": [-1]}]
    assert client.get("/v2/models/other").status_code == 404


def test_the_repository(client: httpx.Client) -> None:
    entry = {"name": "colour", "version": "1", "state": "READY", "reason": ""}
    assert client.post("/v2/repository/index").json() == [entry]
    assert client.post("/v2/repository/index", json={"ready": True}).json() == [entry]
    assert client.post("/v2/repository/models/colour/load").status_code == 200
    for path in ("/v2/repository/models/other/load", "/v2/repository/models/colour/unload"):
        refused = client.post(path)
        assert refused.status_code == 400
        assert "explicit model load / unload is not allowed" in refused.json()["error"]
