"""The status page's data, and what it makes of a picture; ``browser`` tests the page itself."""

from __future__ import annotations

import io
import re
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from PIL import Image

from accelserve.server.config import RestConfig
from accelserve.server.errors import LoadError

Rest = Callable[..., tuple[SimpleNamespace, httpx.Client]]


def solid(red: int, green: int, blue: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), (red, green, blue)).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html"),
        ("/status/page.js", "text/javascript"),
        ("/status/page.css", "text/css"),
        ("/status/icon.svg", "image/svg+xml"),
    ],
)
def test_the_page_brings_nothing_from_elsewhere(rest: Rest, path: str, kind: str) -> None:
    _, client = rest()
    response = client.get(path)
    assert response.headers["content-type"].startswith(kind)
    policy = response.headers["content-security-policy"].split("; ")
    # Scripts and styles from files of the server's alone, and text that no script can turn into markup.
    assert {"default-src 'none'", "script-src 'self'", "style-src 'self'"} <= set(policy)
    assert "require-trusted-types-for 'script'" in policy
    assert not any(word in directive for directive in policy for word in ("unsafe", "data:", "*", "http"))


def test_everything_that_the_page_names_is_there(rest: Rest) -> None:
    _, client = rest()
    open_, seen = ["/"], set()
    while open_:
        path = open_.pop()
        seen.add(path)
        response = client.get(path)
        assert response.status_code == 200, path
        named = re.findall(r"""(?:href|src|from)[= ]"(/|\./)(?:status/)?([\w.]+)""", response.text)
        open_ += {f"/status/{name}" for _, name in named} - seen
        assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", response.text), path
    assert seen > {"/", "/status/page.css", "/status/icon.svg", "/status/page.js", "/status/tables.js"}


@pytest.mark.parametrize("name", ["index.html.x", "..%2frequest_handler.py", "__init__.py"])
def test_nothing_else_is_served(rest: Rest, name: str) -> None:
    _, client = rest()
    assert client.get(f"/status/{name}").status_code in (400, 404)


def test_the_data_tells_of_versions(rest: Rest, publish: Callable[..., Path]) -> None:
    server, client = rest()
    publish(server.folder / "colour", 2, "no number")
    (model,) = server.server.registry.models()
    server.server.registry.reload([replace(model, labels={"stable": 1})])
    content = client.get("/status/models").json()
    assert content["server"].items() >= {"device": "cpu", "ready": True, "max_body_bytes": 256 << 20}.items()
    (shown,) = content["models"]
    broken, good = shown["versions"]
    assert (broken["version"], broken["labels"], broken["serving"]) == (2, [], None)
    assert "gain.txt holds 'no number'" in broken["error"]
    assert (good["version"], good["state"], good["error"], good["labels"]) == (
        1,
        "AVAILABLE",
        None,
        ["stable"],
    )
    assert good["serving"] == {"description": "numpy, 1 thread", "memory_bytes": 0, "health": None}


def test_versions_that_went_as_they_should_are_not_shown(rest: Rest, publish: Callable[..., Path]) -> None:
    server, client = rest()
    publish(server.folder / "colour", 2)
    server.server.registry.reload(server.server.registry.models())
    server.server.registry.states.wait_until(
        lambda: {report.state.name for report in server.server.registry.states.all()} == {"AVAILABLE", "END"}
    )
    (shown,) = client.get("/status/models").json()["models"]
    assert [version["version"] for version in shown["versions"]] == [2]


def test_the_data_tells_of_requests(rest: Rest) -> None:
    _, client = rest()
    for picture in (solid(1, 2, 3), solid(4, 5, 6), b"no picture"):
        client.post("/status/try/colour", content=picture)
    client.post("/status/try/made-up", content=solid(1, 2, 3))
    content = client.get("/status/models").json()
    (shown,) = content["models"]
    traffic, unknown = shown["traffic"], content["unknown"]
    assert (traffic["requests"], traffic["errors"]) == (3, {"INVALID_ARGUMENT": 1})
    assert traffic["per_second"] > 0
    assert (unknown["requests"], unknown["errors"]) == (1, {"NOT_FOUND": 1})
    latency = traffic["latency"]
    assert latency["requests"] == 3
    assert 0 < latency["p50"]["seconds"] <= latency["p99"]["seconds"]
    assert shown["images_answered"] == 2
    # In the order in which a request passes them.
    assert [stage["stage"] for stage in shown["stages"]] == [
        "decode",
        "preprocess",
        "queue",
        "compute",
        "postprocess",
        "serialize",
    ]
    for stage in shown["stages"]:
        assert sum(stage["counts"]) == stage["requests"] == 2
        assert len(stage["counts"]) == len(stage["limits_seconds"]) + 1
        assert 0 < stage["p50"]["seconds"] <= stage["p99"]["seconds"]


def test_before_the_first_request_there_are_no_times(rest: Rest) -> None:
    _, client = rest()
    content = client.get("/status/models").json()
    (shown,) = content["models"]
    assert shown["traffic"] == {"requests": 0, "errors": {}, "per_second": 0, "latency": None}
    assert (shown["stages"], content["unknown"]) == ([], None)


def test_a_picture_gets_its_classes(rest: Rest) -> None:
    _, client = rest()
    answer = client.post("/status/try/colour", content=solid(10, 30, 20)).json()
    assert (answer["signature"], answer["detects"]) == ("serving_default", False)
    assert answer["found"] == [
        {"label": "green", "score": 30, "box": None},
        {"label": "blue", "score": 20, "box": None},
        {"label": "red", "score": 10, "box": None},
    ]
    assert list(answer["seconds"]) == ["decode", "preprocess", "queue", "compute", "postprocess"]


def test_a_picture_gets_its_objects(rest: Rest, scoring_network: object) -> None:
    _, client = rest(network=scoring_network)
    answer = client.post("/status/try/colour", content=solid(10, 20, 51)).json()
    assert (answer["signature"], answer["detects"]) == ("detection", True)
    assert answer["found"] == [{"label": "blue", "score": 0.2, "box": [0.25, 0.1, 0.75, 0.9]}]


def refused(client: httpx.Client, model: str, picture: bytes) -> tuple[int, str]:
    response = client.post(f"/status/try/{model}", content=picture)
    return response.status_code, response.json()["error"]


def test_what_is_no_picture_is_told(rest: Rest) -> None:
    _, client = rest()
    code, sentence = refused(client, "colour", b"no picture")
    assert code == 400
    assert sentence == (
        "Unknown image file format. One of JPEG, PNG, GIF, BMP, WebP required. "
        "Got 10 bytes that begin with b'no pictu'."
    )


def test_what_is_too_large_is_told(rest: Rest) -> None:
    _, client = rest(rest=RestConfig(address="127.0.0.1", port=0, max_body_bytes=1000))
    code, sentence = refused(client, "colour", bytes(1001))
    assert (code, sentence) == (413, "the body is larger than 1000 bytes; send fewer images")


def test_a_model_that_is_not_served_is_told(rest: Rest) -> None:
    _, client = rest()
    assert refused(client, "M", solid(1, 2, 3)) == (404, "Servable not found for request: Latest(M)")


def test_a_model_that_does_not_load_says_why(rest: Rest, publish: Callable[..., Path]) -> None:
    server, client = rest()
    publish(server.folder / "other", 3, "no number")
    other = replace(server.server.registry.models()[0], name="other", base_path=server.folder / "other")
    with pytest.raises(LoadError):
        server.server.registry.reload([*server.server.registry.models(), other])
    code, sentence = refused(client, "other", solid(1, 2, 3))
    assert code == 404
    assert sentence.startswith("version 3 of model 'other' did not load: ")
    assert "gain.txt holds 'no number'" in sentence


def test_a_model_that_still_loads_is_told(
    rest: Rest, colour_loader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = rest()
    loading, go_on = threading.Event(), threading.Event()
    load = colour_loader.load

    def slow(loader: Any, servable_id: Any, path: Path) -> Any:
        loading.set()
        go_on.wait()
        return load(loader, servable_id, path)

    monkeypatch.setattr(colour_loader, "load", slow)
    folder = server.folder / "other"
    shutil.copytree(server.folder / "colour", folder)
    models = server.server.registry.models()
    changed = [*models, replace(models[0], name="other", base_path=folder)]
    with ThreadPoolExecutor(1) as pool:
        reloaded = pool.submit(server.server.registry.reload, changed)
        try:
            loading.wait()
            assert refused(client, "other", solid(1, 2, 3)) == (
                404,
                "model 'other' is still loading; try again when a version of it is AVAILABLE",
            )
        finally:
            go_on.set()
        reloaded.result()
    assert client.post("/status/try/other", content=solid(1, 2, 3)).status_code == 200
