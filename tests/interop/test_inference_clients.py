"""Triton's and OpenVINO's clients against a running server, over gRPC and over HTTP."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from .conftest import ELSEWHERE, foreign_module, run_program

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def pixels() -> NDArray[np.uint8]:
    """A gradient, uint8 [80, 120, 3]."""
    columns, rows = np.meshgrid(np.linspace(0, 255, 120), np.linspace(0, 255, 80))
    return np.stack([columns, rows, 255 - columns], axis=-1).astype(np.uint8)


@pytest.fixture(scope="module")
def picture(pixels: NDArray[np.uint8]) -> bytes:
    """The same as a PNG file; written here, since the clients' environment has no library for it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.fixture(params=["grpc", "http"])
def triton(
    request: pytest.FixtureRequest, server_addresses: tuple[str, str]
) -> Iterator[tuple[ModuleType, Any]]:
    """Triton's client library and a client."""
    library = foreign_module(f"tritonclient.{request.param}")
    address = server_addresses[("grpc", "http").index(request.param)]
    with library.InferenceServerClient(address) as client:
        yield library, client


def encoded(library: ModuleType, *pictures: bytes) -> Any:
    tensor = library.InferInput("images", [len(pictures)], "BYTES")
    tensor.set_data_from_numpy(np.array(pictures, object))
    return tensor


def test_triton_asks_for_readiness_and_metadata(triton: tuple[ModuleType, Any], served_model: str) -> None:
    _, client = triton
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(served_model)
    assert not client.is_model_ready("no such model")
    assert served_model in str(client.get_model_metadata(served_model))
    assert served_model in str(client.get_model_config(served_model))
    assert "READY" in str(client.get_model_repository_index())


def test_triton_sends_files_and_pixels(
    triton: tuple[ModuleType, Any], served_model: str, picture: bytes, pixels: NDArray[np.uint8]
) -> None:
    library, client = triton
    wanted = [library.InferRequestedOutput("output_alias")]
    tensor = library.InferInput("images", [1, *pixels.shape], "UINT8")
    tensor.set_data_from_numpy(pixels[np.newaxis])
    of_pixels = client.infer(served_model, [tensor], outputs=wanted).as_numpy("output_alias")
    two = client.infer(served_model, [encoded(library, picture, picture)], outputs=wanted)
    np.testing.assert_array_equal(two.as_numpy("output_alias"), np.concatenate([of_pixels] * 2))


def test_triton_asks_for_the_best_classes(
    triton: tuple[ModuleType, Any], served_model: str, picture: bytes
) -> None:
    library, client = triton
    wanted = [library.InferRequestedOutput("output_alias", class_count=1)]
    answer = client.infer(served_model, [encoded(library, picture)], outputs=wanted)
    ((best,),) = answer.as_numpy("output_alias")
    score, index = best.decode().split(":")[:2]
    assert float(score) > 0
    assert int(index) >= 0


def test_triton_is_told_what_is_wrong(triton: tuple[ModuleType, Any], served_model: str) -> None:
    library, client = triton
    errors = foreign_module("tritonclient.utils")
    with pytest.raises(errors.InferenceServerException, match="Unknown image file format"):
        client.infer(served_model, [encoded(library, b"no picture")])


OVMSCLIENT_CALLS = """
import sys
import ovmsclient
make = {"grpc": ovmsclient.make_grpc_client, "http": ovmsclient.make_http_client}[sys.argv[1]]
client, model = make(sys.argv[2]), sys.argv[3]
with open(sys.argv[4], "rb") as file:
    picture = file.read()
assert client.get_model_status(model, timeout=60)
assert "images" in str(client.get_model_metadata(model, timeout=60))
assert client.predict({"images": [picture, picture]}, model, timeout=60).shape[0] == 2
"""


@pytest.mark.parametrize("door", ["grpc", "http"])
def test_ovmsclient_with_the_latest_version(
    server_addresses: tuple[str, str], served_model: str, picture: bytes, door: str, tmp_path: Path
) -> None:
    # In a process of its own: its copies of TensorFlow's messages and the official ones exclude each other.
    pytest.importorskip("ovmsclient", reason=ELSEWHERE)
    address = server_addresses[("grpc", "http").index(door)]
    file = tmp_path / "picture.png"
    file.write_bytes(picture)
    run_program(OVMSCLIENT_CALLS, door, address, served_model, str(file))
