"""TensorFlow Serving's REST API over a real socket."""

from __future__ import annotations

import base64
import gzip
import io
import threading
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import PredictionService
from accelserve.protos.tensors import from_array
from accelserve.server.config import BatchingConfig, RequestLimits, RestConfig
from accelserve.server.core.servable import ServableId
from accelserve.server.version_policy import Everything

Rest = Callable[..., tuple[SimpleNamespace, httpx.Client]]


def b64(red: int, green: int, blue: int) -> dict[str, str]:
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), (red, green, blue)).save(stream, "PNG")
    return {"b64": base64.b64encode(stream.getvalue()).decode()}


FEATURES = {"signature_name": "features"}
RED, DIM = b64(200, 0, 0), b64(1, 2, 3)
FLOATS = np.full((8, 8, 3), (4.0, 5.0, 6.0)).tolist()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"instances": [RED, DIM]}, {"predictions": [[200, 0, 0], [1, 2, 3]]}),
        ({"instances": [{"images": RED}]}, {"predictions": [[200, 0, 0]]}),
        ({"instances": [[RED], [DIM]]}, {"predictions": [[200, 0, 0], [1, 2, 3]]}),
        ({"instances": [FLOATS]}, {"predictions": [[4, 5, 6]]}),
        ({"inputs": RED}, {"outputs": [[200, 0, 0]]}),
        ({"inputs": {"images": [RED, DIM]}}, {"outputs": [[200, 0, 0], [1, 2, 3]]}),
        ({"inputs": {"images:0": [FLOATS]}}, {"outputs": [[4, 5, 6]]}),
    ],
    ids=["rows", "named-rows", "nested-rows", "float-rows", "one-column", "named-column", "tensor-name"],
)
def test_predict_in_every_format(rest: Rest, body: dict[str, Any], expected: dict[str, Any]) -> None:
    _, client = rest()
    response = client.post("/v1/models/colour:predict", json={**FEATURES, **body})
    assert (response.status_code, response.json()) == (200, expected)


def test_the_paths_words_are_taken_in_any_case_and_names_are_not(rest: Rest) -> None:
    _, client = rest()
    body = {**FEATURES, "instances": [DIM]}
    assert client.post("/V1/Models/colour/Versions/1:predict", json=body).json() == {
        "predictions": [[1, 2, 3]]
    }
    assert client.get("/v1/MODELS/colour/METADATA").json()["model_spec"]["name"] == "colour"
    assert client.get("/V1/models/colour").status_code == 200
    assert client.get("/v1/models/Colour").status_code == 404


def test_several_outputs_are_named(rest: Rest) -> None:
    _, client = rest()
    answer = client.post("/v1/models/colour:predict", json={"instances": [DIM]}).json()
    assert answer == {"predictions": [{"output_alias": [1, 2, 3], "brightest": [1, 2, 3]}]}
    answer = client.post("/v1/models/colour:predict", json={"inputs": DIM}).json()
    assert answer == {"outputs": {"output_alias": [[1, 2, 3]], "brightest": [[1, 2, 3]]}}


@pytest.mark.parametrize("path", ["/v1/models/colour/versions/1", "/v1/models/colour"])
def test_status(rest: Rest, path: str) -> None:
    _, client = rest()
    assert client.get(path).json() == {
        "model_version_status": [
            {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        ]
    }


def test_versions_and_labels_select(rest: Rest, publish: Callable[..., Path]) -> None:
    server, client = rest()
    publish(server.folder / "colour", 2, "2.0")
    (model,) = server.server.registry.models()
    server.server.registry.reload([replace(model, policy=Everything(), labels={"new": 2})])
    body = {**FEATURES, "inputs": DIM}
    for path, expected in {"": 2, "/versions/1": 1, "/versions/2": 2, "/labels/new": 2}.items():
        answer = client.post(f"/v1/models/colour{path}:predict", json=body).json()
        assert answer == {"outputs": [[expected, 2 * expected, 3 * expected]]}
    assert len(client.get("/v1/models/colour/labels/new").json()["model_version_status"]) == 1


def test_metadata(rest: Rest) -> None:
    _, client = rest()
    answer = client.get("/v1/models/colour/metadata").json()
    assert answer["model_spec"] == {"name": "colour", "signature_name": "", "version": "1"}
    signature = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    assert signature["inputs"]["images"] == {
        "name": "images:0",
        "dtype": "DT_STRING",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False},
    }


def test_the_list_of_models(rest: Rest) -> None:
    _, client = rest(models={"colour": {1: "1.0"}, "other": {5: "1.0"}})
    models = client.get("/v1/models").json()["models"]
    assert [(model["name"], model["model_version_status"][0]["version"]) for model in models] == [
        ("colour", "1"),
        ("other", "5"),
    ]


@pytest.mark.parametrize(
    ("path", "body", "code", "words"),
    [
        ("/v1/models/M:predict", {"inputs": DIM}, 404, "Servable not found for request: Latest(M)"),
        ("/v1/models/colour/versions/7:predict", {"inputs": DIM}, 404, "Servable not found for request: Specific(colour, 7)"),
        ("/v1/models/colour/versions/x:predict", {"inputs": DIM}, 400, "Failed to convert version: x to numeric."),
        ("/v1/models/colour/versions/" + "9" * 5000, None, 400, "Failed to convert version: 999"),
        ("/v1/models/colour/versions/" + "9" * 5000 + ":predict", {"inputs": DIM}, 400, "Failed to convert version: 999"),
        ("/v1/models/colour/labels/L:predict", {"inputs": DIM}, 400, "Unrecognized servable version label: L"),
        ("/v1/models/colour:predict", {"signature_name": "S", "inputs": DIM}, 400, 'Serving signature key "S" not found.'),
        ("/v1/models/colour:predict", {}, 400, "Missing 'inputs' or 'instances' key"),
        ("/v1/models/colour:predict", [], 400, "JSON Parse error: Expected `object`, got `array`"),
        (
            "/v1/models/colour:predict",
            {"inputs": {"X": DIM}},
            400,
            "input tensor alias not found in signature: X. Inputs expected to be in the set {images}.",
        ),
        ("/v1/models/colour:predict", {"inputs": {"b64": "%"}}, 400, "Unable to base64 decode: "),
        ("/v1/models/colour:predict", {"instances": [[1, 2], [3]]}, 400, "Failed to process element: 1 of 'instances' list. Error: "),
        ("/v1/models/colour:predict", {"instances": [DIM, {"b64": ""}]}, 400, "Input is empty. Element 1 of the batch: "),
        ("/v1/models/colour:guess", {}, 400, "Malformed request: POST /v1/models/colour:guess"),
        ("/v2/else", {}, 400, "Malformed request: POST /v2/else"),
    ],
)  # fmt: skip
def test_errors_have_tensorflow_servings_words_and_codes(
    rest: Rest, path: str, body: object, code: int, words: str
) -> None:
    _, client = rest()
    response = client.get(path) if body is None else client.post(path, json=body)
    assert response.status_code == code
    assert response.json().keys() == {"error"}
    assert response.json()["error"].startswith(words)


@pytest.mark.parametrize(
    "raw", [b"{", b"\xff\xfe", b"[" * 100_000, b""], ids=["cut", "binary", "deep", "empty"]
)
def test_what_is_no_json_is_the_callers_fault(rest: Rest, raw: bytes) -> None:
    _, client = rest()
    response = client.post("/v1/models/colour:predict", content=raw)
    assert response.status_code == 400
    assert response.json()["error"].startswith("JSON Parse error: ")


def test_compressed_requests_and_answers(rest: Rest) -> None:
    _, client = rest()
    raw = httpx.Request("POST", "http://x", json={"instances": [DIM] * 200}).content
    headers = {"content-encoding": "gzip", "accept-encoding": "gzip"}
    response = client.post("/v1/models/colour:predict", content=gzip.compress(raw), headers=headers)
    assert len(response.json()["predictions"]) == 200
    assert response.headers["content-encoding"] == "gzip"


def test_deflated_requests(rest: Rest) -> None:
    _, client = rest()
    raw = httpx.Request("POST", "http://x", json={"inputs": DIM}).content
    response = client.post(
        "/v1/models/colour:predict", content=zlib.compress(raw), headers={"content-encoding": "deflate"}
    )
    assert response.json()["outputs"]["brightest"] == [[1, 2, 3]]


def test_a_gzip_bomb_is_refused(rest: Rest) -> None:
    _, client = rest(rest=RestConfig(address="127.0.0.1", port=0, max_body_bytes=1 << 20))
    bomb = gzip.compress(b" " * (64 << 20))
    response = client.post("/v1/models/colour:predict", content=bomb, headers={"content-encoding": "gzip"})
    assert response.status_code == 400
    assert "holds more than 1048576 bytes" in response.json()["error"]


@pytest.mark.parametrize("body", [gzip.compress(b"{}" * 100)[:-9], b"no gzip"], ids=["cut", "none"])
def test_broken_gzip_is_refused(rest: Rest, body: bytes) -> None:
    _, client = rest()
    response = client.post("/v1/models/colour:predict", content=body, headers={"content-encoding": "gzip"})
    assert response.status_code == 400
    assert "the gzip body is" in response.json()["error"]


def test_a_body_that_is_too_large_is_refused(rest: Rest) -> None:
    _, client = rest(rest=RestConfig(address="127.0.0.1", port=0, max_body_bytes=1000))
    response = client.post("/v1/models/colour:predict", content=b" " * 2000)
    assert response.status_code == 413
    assert "the body is larger than 1000 bytes" in response.json()["error"]


def test_too_many_pictures_are_refused(rest: Rest) -> None:
    _, client = rest(limits=RequestLimits(max_images=2))
    assert client.post("/v1/models/colour:predict", json={"instances": [DIM] * 3}).status_code == 400


def test_pages_of_other_origins_may_call_only_if_told_so(rest: Rest) -> None:
    _, client = rest()
    origin = {"origin": "https://example.org"}
    assert "access-control-allow-origin" not in client.get("/v1/models", headers=origin).headers


def test_cors(rest: Rest) -> None:
    _, client = rest(rest=RestConfig(address="127.0.0.1", port=0, cors=True))
    origin = {"origin": "https://example.org"}
    assert client.get("/v1/models", headers=origin).headers["access-control-allow-origin"] == "*"


def test_overload_answers_429_with_a_hint(rest: Rest) -> None:
    server, client = rest(batching=BatchingConfig(max_queued_images=1))
    network = server.loader.loaded[ServableId("colour", 1)]
    network.open.clear()
    held: list[httpx.Response] = []
    body = {"inputs": DIM}
    holding = threading.Thread(
        target=lambda: held.append(
            httpx.post(f"{client.base_url}/v1/models/colour:predict", json=body, timeout=60)
        )
    )
    holding.start()
    network.entered.acquire()
    refused = client.post("/v1/models/colour:predict", json=body)
    network.open.set()
    holding.join()
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert held[0].status_code == 200


def test_a_request_that_takes_too_long_is_504(rest: Rest) -> None:
    server, client = rest(rest=RestConfig(address="127.0.0.1", port=0, timeout_ms=500))
    network = server.loader.loaded[ServableId("colour", 1)]
    network.open.clear()
    # Over gRPC, so that it has no deadline to miss.
    request = serving.PredictRequest(inputs={"images": from_array(np.zeros((1, 8, 8, 3), np.float32))})
    holding = PredictionService.PREDICT.stub(server.channel).future(request, timeout=60)
    network.entered.acquire()
    late = client.post("/v1/models/colour:predict", json={"inputs": DIM})
    network.open.set()
    holding.result()
    assert (late.status_code, late.json()) == (504, {"error": "Deadline Exceeded"})
    assert network.batches == [1]
