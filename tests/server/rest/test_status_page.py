"""The status page's data, and what it makes of a picture; ``browser`` tests the page itself."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from PIL import Image

Rest = Callable[..., tuple[SimpleNamespace, httpx.Client]]


def solid(red: int, green: int, blue: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), (red, green, blue)).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/", "text/html"), ("/status/page.js", "text/javascript"), ("/status/page.css", "text/css")],
)
def test_the_page_brings_nothing_from_elsewhere(rest: Rest, path: str, kind: str) -> None:
    _, client = rest()
    response = client.get(path)
    assert response.headers["content-type"].startswith(kind)
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert "https://" not in response.text
    assert response.text.count("http://") == response.text.count("http://www.w3.org/2000/svg")


@pytest.mark.parametrize("name", ["index.html.x", "..%2fdesk.py", "__init__.py"])
def test_nothing_else_is_served(rest: Rest, name: str) -> None:
    _, client = rest()
    assert client.get(f"/status/{name}").status_code in (400, 404)


def test_the_data_tells_versions_and_latencies(rest: Rest, publish: Callable[..., Path]) -> None:
    server, client = rest()
    publish(server.folder / "colour", 2, "no number")
    (model,) = server.server.registry.models()
    server.server.registry.reload([replace(model, labels={"stable": 1})])
    client.post("/status/try/colour", content=solid(1, 2, 3))
    content = client.get("/status/models").json()
    assert content["server"]["device"] == "cpu"
    assert content["server"]["ready"] is True
    (shown,) = content["models"]
    assert (shown["name"], shown["labels"], shown["images_answered"]) == ("colour", {"stable": 1}, 1)
    broken, good = shown["versions"]
    assert "gain.txt holds 'no number'" in broken["error"]
    assert (good["version"], good["state"], good["description"]) == (1, "AVAILABLE", "numpy, 1 thread")
    assert [latency["stage"] for latency in shown["latencies"]] == [
        "queue",
        "decode",
        "preprocess",
        "compute",
        "postprocess",
    ]
    for latency in shown["latencies"]:
        assert sum(latency["counts"]) == 1
        assert len(latency["counts"]) == len(latency["limits_seconds"]) + 1


def test_before_the_first_request_there_are_no_latencies(rest: Rest) -> None:
    _, client = rest()
    (shown,) = client.get("/status/models").json()["models"]
    assert shown["latencies"] == []


def test_a_picture_gets_its_classes(rest: Rest) -> None:
    _, client = rest()
    answer = client.post("/status/try/colour", content=solid(10, 30, 20)).json()
    assert answer["signature"] == "serving_default"
    assert answer["found"] == [
        {"label": "green", "score": 30, "box": None},
        {"label": "blue", "score": 20, "box": None},
        {"label": "red", "score": 10, "box": None},
    ]
    assert answer["seconds"].keys() == {"decode", "preprocess", "queue", "compute", "postprocess"}


def test_a_picture_gets_its_objects(rest: Rest, scoring_network: object) -> None:
    _, client = rest(network=scoring_network)
    answer = client.post("/status/try/colour", content=solid(10, 20, 51)).json()
    assert answer["signature"] == "detection"
    assert answer["found"] == [{"label": "blue", "score": 0.2, "box": [0.25, 0.1, 0.75, 0.9]}]


def test_what_is_no_picture_is_told(rest: Rest) -> None:
    _, client = rest()
    response = client.post("/status/try/colour", content=b"no picture")
    assert response.status_code == 400
    assert response.json()["error"].startswith("Unknown image file format.")
    assert client.post("/status/try/M", content=b"x").status_code == 404
