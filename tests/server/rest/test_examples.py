"""``:classify`` and ``:regress`` over HTTP."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from PIL import Image

Rest = Callable[..., tuple[SimpleNamespace, httpx.Client]]
IMAGE = "image/encoded"


def b64(red: int, green: int, blue: int) -> dict[str, str]:
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), (red, green, blue)).save(stream, "PNG")
    return {"b64": base64.b64encode(stream.getvalue()).decode().rstrip("=")}


RED, DIM = b64(200, 0, 0), b64(1, 2, 3)


@pytest.fixture
def client(rest: Rest, scoring_network: object) -> httpx.Client:
    return rest(network=scoring_network)[1]


def test_classify(client: httpx.Client) -> None:
    body = {"signature_name": "classify", "examples": [{IMAGE: RED}, {IMAGE: [DIM], "width": 40, "x": 0.5}]}
    assert client.post("/v1/models/colour:classify", json=body).json() == {
        "results": [
            [["red", 200], ["green", 0], ["blue", 0]],
            [["red", 1], ["green", 2], ["blue", 3]],
        ]
    }


def test_regress(client: httpx.Client) -> None:
    body = {"signature_name": "brightness", "examples": [{IMAGE: DIM}, {}], "context": {IMAGE: RED}}
    assert client.post("/v1/models/colour/versions/1:regress", json=body).json() == {
        "results": [2, 66.6666641]
    }


@pytest.mark.parametrize(
    ("method", "body", "words"),
    [
        ("classify", {}, "When method is classify, key 'examples' is expected and was not found"),
        ("classify", {"examples": []}, "'examples' value is an empty array"),
        ("classify", {"examples": [1]}, "JSON Parse error: Expected `object`, got `int`"),
        ("classify", {"examples": [{IMAGE: {"b64": "%"}}]}, f"Feature: {IMAGE}: Unable to base64 decode"),
        (
            "classify",
            {"examples": [{IMAGE: {"file": "x"}}]},
            f"Feature: {IMAGE} has element with unexpected JSON type: Object",
        ),
        ("classify", {"examples": [{"a": 2**64}]}, "Feature: a has uint64 element. Only int64 is supported."),
        (
            "classify",
            {"examples": [{"a": [1, "b"]}]},
            "Unexpected element type in feature: a expecting type: int64",
        ),
        ("classify", {"examples": [{"a": None}]}, "Feature: a has element with unexpected JSON type: Null"),
        ("classify", {"examples": [{"a": [[1]]}]}, "Feature: a has element with unexpected JSON type: Array"),
        (
            "classify",
            {"examples": [{"a": [True, 1.5]}]},
            "Unexpected element type in feature: a expecting type: int64",
        ),
        ("classify", {"examples": [{}]}, f"example 0 lacks the feature '{IMAGE}'"),
        (
            "classify",
            {"examples": [{IMAGE: "x"}]},
            "Unknown image file format. One of JPEG, PNG, GIF, BMP, WebP",
        ),
        ("regress", {"examples": [{IMAGE: DIM}]}, "Expected regression signature method_name to be"),
        (
            "regress",
            {"signature_name": "S", "examples": [{IMAGE: DIM}]},
            'Serving signature key "S" not found.',
        ),
    ],
)
def test_faults(client: httpx.Client, method: str, body: dict[str, Any], words: str) -> None:
    response = client.post(f"/v1/models/colour:{method}", json=body)
    assert response.status_code == 400
    assert response.json()["error"].startswith(words)


def test_an_unknown_model_is_404(client: httpx.Client) -> None:
    response = client.post("/v1/models/M:classify", json={"examples": [{IMAGE: DIM}]})
    assert (response.status_code, response.json()) == (
        404,
        {"error": "Servable not found for request: Latest(M)"},
    )
