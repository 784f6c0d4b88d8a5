"""The Open Inference Protocol over gRPC on a real socket."""

from __future__ import annotations

import io
import math
import queue
import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from accelserve.kernels.preprocess import decode_image
from accelserve.protos import inference
from accelserve.protos.services import InferenceService, UnaryMethod
from accelserve.server.core.servable import ServableId
from accelserve.server.protocols.open_inference.images import bitmap, encoded_images, gray_png
from accelserve.server.version_policy import Everything

Serve = Callable[..., SimpleNamespace]
Request = inference.ModelInferRequest
Tensor = inference.ModelInferRequest.InferInputTensor


def solid(red: int, green: int, blue: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), (red, green, blue)).save(stream, "PNG")
    return stream.getvalue()


def prefixed(*items: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(item)) + item for item in items)


def raw_request(datatype: str, shape: Sequence[int], content: bytes, *outputs: str, **fields: Any) -> Request:
    return Request(
        model_name="colour",
        inputs=[Tensor(name="images", datatype=datatype, shape=shape)],
        outputs=[Request.InferRequestedOutputTensor(name=name) for name in outputs],
        raw_input_contents=[content],
        **fields,
    )


def infer(server: SimpleNamespace, request: Request) -> inference.ModelInferResponse:
    return InferenceService.MODEL_INFER.stub(server.channel)(request, timeout=60)


def means(response: inference.ModelInferResponse) -> NDArray[np.float32]:
    (tensor,) = response.outputs
    assert tensor.datatype == "FP32"
    return np.frombuffer(response.raw_output_contents[0], "<f4").reshape(list(tensor.shape))


RED, DIM = solid(200, 0, 0), solid(1, 2, 3)
PIXELS = np.full((30, 41, 3), (1, 2, 3), np.uint8)  # an odd width: rows of the bitmap are padded
DIM_AS_BYTES = np.frombuffer(DIM, np.uint8)
BOTH_AS_BYTES = np.zeros((2, max(len(RED), len(DIM))), np.uint8)
BOTH_AS_BYTES[0, : len(DIM)], BOTH_AS_BYTES[1, : len(RED)] = DIM_AS_BYTES, np.frombuffer(RED, np.uint8)
FORMS = {
    "bytes": ("BYTES", [2], prefixed(DIM, RED), [[1, 2, 3], [200, 0, 0]]),
    "bytes-column": ("BYTES", [1, 1], prefixed(DIM), [[1, 2, 3]]),
    "floats": ("FP32", [1, 8, 8, 3], np.full((8, 8, 3), (4, 5, 6), "<f4").tobytes(), [[4, 5, 6]]),
    "file-as-uint8": ("UINT8", [len(DIM)], DIM, [[1, 2, 3]]),
    "files-as-uint8": (
        "UINT8",
        list(BOTH_AS_BYTES.shape),
        BOTH_AS_BYTES.tobytes(),
        [[1, 2, 3], [200, 0, 0]],
    ),
    "pixels": ("UINT8", [30, 41, 3], PIXELS.tobytes(), [[1, 2, 3]]),
    "grey-pixels": ("UINT8", [30, 41, 1], bytes([7]) * (30 * 41), [[7, 7, 7]]),
    "batch-of-pixels": ("UINT8", [2, 30, 41, 3], PIXELS.tobytes() * 2, [[1, 2, 3]] * 2),
}


@pytest.mark.parametrize(("datatype", "shape", "content", "expected"), FORMS.values(), ids=FORMS.keys())
def test_every_form_of_input(
    serve: Serve, datatype: str, shape: list[int], content: bytes, expected: list[list[float]]
) -> None:
    response = infer(serve(), raw_request(datatype, shape, content, "output_alias"))
    assert means(response).tolist() == expected


def test_the_answer_says_who_gave_it(serve: Serve) -> None:
    server = serve(models={"colour": {3: "1.0"}})
    response = infer(server, raw_request("BYTES", [1], prefixed(DIM), id="7"))
    assert (response.model_name, response.model_version, response.id) == ("colour", "3", "7")
    assert [output.name for output in response.outputs] == ["output_alias", "brightest"]
    assert [output.datatype for output in response.outputs] == ["FP32", "UINT8"]
    assert response.raw_output_contents[1] == bytes([1, 2, 3])


def test_typed_contents_are_answered_typed(serve: Serve) -> None:
    request = Request(
        inputs=[
            Tensor(
                name="images",
                datatype="BYTES",
                shape=[2],
                contents=inference.InferTensorContents(bytes_contents=[DIM, RED]),
            )
        ]
    )
    response = infer(serve(), request)
    floats, brightest = response.outputs
    assert list(floats.contents.fp32_contents) == [1, 2, 3, 200, 0, 0]
    assert list(brightest.contents.uint_contents) == [1, 2, 3, 200, 0, 0]
    assert list(response.raw_output_contents) == []


def test_a_parameter_chooses_the_signature(serve: Serve) -> None:
    parameters = {"signature_name": inference.InferParameter(string_param="features")}
    response = infer(serve(), raw_request("BYTES", [1], prefixed(DIM), parameters=parameters))
    assert [output.name for output in response.outputs] == ["output_alias"]


def test_the_best_classes_instead_of_the_tensor(serve: Serve) -> None:
    request = raw_request("BYTES", [1], prefixed(DIM), "output_alias")
    request.outputs[0].parameters["classification"].int64_param = 2
    response = infer(serve(), request)
    assert (response.outputs[0].datatype, list(response.outputs[0].shape)) == ("BYTES", [1, 2])
    assert response.raw_output_contents[0] == prefixed(b"3.000000:2:blue", b"2.000000:1:green")


@given(height=st.integers(1, 9), width=st.integers(1, 9), seed=st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_bitmaps_hold_the_pixels(height: int, width: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    with Image.open(io.BytesIO(bitmap(pixels))) as picture:
        np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), pixels)


@given(height=st.integers(1, 9), width=st.integers(1, 9), seed=st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_grey_pixels_travel_as_they_are(height: int, width: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 1), np.uint8)
    with Image.open(io.BytesIO(gray_png(pixels))) as picture:
        assert picture.mode == "L"
        np.testing.assert_array_equal(np.asarray(picture), pixels[..., 0])


def test_zeros_behind_a_file_are_padding_and_zeros_of_the_file_are_not() -> None:
    """Rows of a batch are as long as the longest; a BMP or WebP may itself end with a zero."""
    black = bitmap(np.zeros((3, 2, 3), np.uint8))
    webp = io.BytesIO()
    Image.new("RGB", (3, 2), (200, 60, 20)).save(webp, "WEBP", lossless=True)
    files = [black, webp.getvalue(), DIM]
    longest = max(map(len, files)) + 7
    rows = np.array([list(file.ljust(longest, b"\0")) for file in files], np.uint8)
    sent = encoded_images("images", rows)
    assert sent[0] == black
    for file, arrived in zip(files, sent, strict=True):
        np.testing.assert_array_equal(decode_image(arrived), decode_image(file))


def test_a_photograph_as_pixels_is_the_photograph(serve: Serve, photo: bytes) -> None:
    with Image.open(io.BytesIO(photo)) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    server = serve()
    as_pixels = infer(server, raw_request("UINT8", pixels.shape, pixels.tobytes(), "output_alias"))
    as_file = infer(server, raw_request("BYTES", [1], prefixed(photo), "output_alias"))
    assert as_pixels.raw_output_contents == as_file.raw_output_contents


FAULTS = {
    "unknown-model": (
        Request(model_name="M"),
        "NOT_FOUND",
        "Servable not found for request: Latest(M)",
    ),
    "unknown-version": (
        Request(model_name="colour", model_version="7"),
        "NOT_FOUND",
        "Servable not found for request: Specific(colour, 7)",
    ),
    "unknown-label": (
        Request(model_name="colour", model_version="9" * 5000),
        "INVALID_ARGUMENT",
        "Unrecognized servable version label: 999",
    ),
    "unknown-datatype": (
        raw_request("JPEG", [1], b""),
        "INVALID_ARGUMENT",
        "inference input 'images' has datatype 'JPEG'; known are BYTES, BOOL,",
    ),
    "wrong-datatype": (
        raw_request("FP64", [1], b"\0" * 8),
        "INVALID_ARGUMENT",
        "Expects arg[0] to be string but double is provided",
    ),
    "too-few-bytes": (
        raw_request("FP32", [1, 8, 8, 3], b"\0" * 8),
        "INVALID_ARGUMENT",
        "unexpected total byte size 8 for inference input 'images', expecting 768",
    ),
    "negative-shape": (
        raw_request("FP32", [-1], b""),
        "INVALID_ARGUMENT",
        "inference input 'images' has shape [-1]; sizes are 0 or more",
    ),
    "absurd-shape": (
        raw_request("FP32", [0] * 100, b""),
        "INVALID_ARGUMENT",
        "inference input 'images' cannot have shape [0, 0,",
    ),
    "more-strings-than-bytes": (
        raw_request("BYTES", [2**40], prefixed(b"")),
        "INVALID_ARGUMENT",
        "inference input 'images': its 4 bytes are not 1099511627776 elements of BYTES",
    ),
    "string-beyond-the-end": (
        raw_request("BYTES", [1], struct.pack("<I", 99) + b"x"),
        "INVALID_ARGUMENT",
        "inference input 'images': its 5 bytes are not 1 elements of BYTES",
    ),
    "uint8-of-another-shape": (
        raw_request("UINT8", [1, 3, 8, 8], b"\0" * 192),
        "INVALID_ARGUMENT",
        "input 'images' is UINT8 of shape [1, 3, 8, 8]; expected picture files,",
    ),
    "raw-and-typed": (
        Request(inputs=[Tensor(name="a"), Tensor(name="b")], raw_input_contents=[b""]),
        "INVALID_ARGUMENT",
        "2 inputs, but 1 raw_input_contents: all inputs are raw, or none is",
    ),
    "fewer-values-than-the-shape-says": (
        Request(inputs=[Tensor(name="images", datatype="FP32", shape=[3])]),
        "INVALID_ARGUMENT",
        "inference input 'images' of shape [3] has 3 elements, got 0",
    ),
    "input-given-twice": (
        Request(inputs=[Tensor(name="images"), Tensor(name="images")]),
        "INVALID_ARGUMENT",
        "input 'images' is given twice",
    ),
    "output-asked-for-twice": (
        raw_request("BYTES", [1], prefixed(DIM), "brightest", "brightest"),
        "INVALID_ARGUMENT",
        "output 'brightest' is asked for twice",
    ),
    "no-picture": (
        raw_request("BYTES", [2], prefixed(DIM, b"no picture")),
        "INVALID_ARGUMENT",
        "Unknown image file format. One of JPEG, PNG, GIF, BMP, WebP required. Element 1 of the batch: ",
    ),
}


@pytest.mark.parametrize(("request_", "code", "words"), FAULTS.values(), ids=FAULTS.keys())
def test_faults(serve: Serve, request_: Request, code: str, words: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        infer(serve(), request_)
    assert caught.value.code().name == code
    assert str(caught.value.details()).startswith(words)


@given(
    datatype=st.sampled_from(["BYTES", "UINT8", "FP32", "BOOL", "INT64", "?"]),
    shape=st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 9), max_size=70),
    content=st.binary(max_size=300),
)
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_no_tensor_is_the_servers_fault(
    wild: SimpleNamespace, datatype: str, shape: list[int], content: bytes
) -> None:
    picture = datatype == "UINT8" and len(shape) in (3, 4) and math.prod(shape) == len(content) > 0
    assume(not picture)  # pixels are taken, too
    with pytest.raises(grpc.RpcError) as caught:
        infer(wild, raw_request(datatype, shape, content))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.fixture
def wild(serve: Serve) -> SimpleNamespace:
    return serve()


def test_a_stream_answers_in_order_and_survives_a_bad_request(serve: Serve) -> None:
    requests = [
        raw_request("BYTES", [1], prefixed(DIM), "output_alias", id="first"),
        raw_request("BYTES", [1], prefixed(b"no picture"), id="bad"),
        raw_request("BYTES", [1], prefixed(RED), "output_alias", id="last"),
    ]
    stream = InferenceService.MODEL_STREAM_INFER.stub(serve().channel)
    first, bad, last = stream(iter(requests), timeout=60)
    assert means(first.infer_response).tolist() == [[1, 2, 3]]
    assert bad.error_message.startswith("Unknown image file format.")
    assert bad.infer_response.id == "bad"
    assert (last.infer_response.id, means(last.infer_response).tolist()) == ("last", [[200, 0, 0]])


def test_every_answer_of_a_stream_says_that_it_is_the_last_of_its_request(serve: Serve) -> None:
    """Clients of Triton that ask with ``enable_empty_final_response`` wait for it (its parameters extension)."""
    good, bad = (raw_request("BYTES", [1], prefixed(content)) for content in (DIM, b"no picture"))
    for request in (good, bad):
        request.parameters["triton_enable_empty_final_response"].bool_param = True
    stream = InferenceService.MODEL_STREAM_INFER.stub(serve().channel)
    for response in stream(iter([good, bad]), timeout=60):
        assert response.infer_response.parameters["triton_final_response"].bool_param


def test_a_stream_has_what_is_in_hand_answered_when_the_server_drains(serve: Serve) -> None:
    server = serve()
    network = server.loader.loaded[ServableId("colour", 1)]
    asked: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
    stub = InferenceService.MODEL_STREAM_INFER.stub(server.channel)
    busy = stub(iter(asked.get, None), timeout=60)
    network.open.clear()
    asked.put(raw_request("BYTES", [1], prefixed(DIM), "output_alias"))
    network.entered.acquire()  # it is on the device now
    server.server.backend.streams.close()
    network.open.set()
    assert means(next(busy).infer_response).tolist() == [[1, 2, 3]]
    with pytest.raises(grpc.RpcError) as caught:
        next(busy)
    asked.put(None)
    words = "the server is shutting down; send the request to another one"
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.UNAVAILABLE, words)


def test_a_stream_that_waits_for_requests_does_not_delay_the_end(serve: Serve) -> None:
    server = serve()
    asked: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
    asked.put(raw_request("BYTES", [1], prefixed(DIM), "output_alias"))
    stream = InferenceService.MODEL_STREAM_INFER.stub(server.channel)(iter(asked.get, None), timeout=60)
    assert not next(stream).error_message
    server.server.stop()
    with pytest.raises(grpc.RpcError) as caught:
        next(stream)
    asked.put(None)
    assert caught.value.code() in {grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE}


def ask(server: SimpleNamespace, method: UnaryMethod[Any, Any], **fields: Any) -> Any:
    return method.stub(server.channel)(method.request(**fields), timeout=60)


def test_live_and_ready(serve: Serve) -> None:
    server = serve(models={"colour": {1: "1.0", 2: "2.0"}})
    service = InferenceService
    assert ask(server, service.SERVER_LIVE).live
    assert ask(server, service.SERVER_READY).ready
    assert ask(server, service.MODEL_READY, name="colour").ready
    assert ask(server, service.MODEL_READY, name="colour", version="2").ready
    assert not ask(server, service.MODEL_READY, name="colour", version="1").ready
    assert not ask(server, service.MODEL_READY, name="colour", version="stable").ready
    assert not ask(server, service.MODEL_READY, name="other").ready


def test_metadata(serve: Serve) -> None:
    server = serve()
    described = ask(server, InferenceService.SERVER_METADATA)
    assert described.name == "accelserve"
    assert "binary_tensor_data" in described.extensions
    model = ask(server, InferenceService.MODEL_METADATA, name="colour")
    assert (model.name, list(model.versions)) == ("colour", ["1"])
    assert [(t.name, t.datatype, list(t.shape)) for t in model.inputs] == [("images", "BYTES", [-1])]
    assert [(t.name, t.datatype, list(t.shape)) for t in model.outputs] == [
        ("output_alias", "FP32", [-1, 3]),
        ("brightest", "UINT8", [-1, 3]),
    ]
    config = ask(server, InferenceService.MODEL_CONFIG, name="colour").config
    assert config.input[0].data_type == inference.TYPE_STRING
    assert config.output[1].data_type == inference.TYPE_UINT8


def test_the_index_of_the_repository(serve: Serve, publish: Callable[..., object]) -> None:
    server = serve()
    publish(server.folder / "colour", 2, "no number")
    (model,) = server.server.registry.models()
    server.server.registry.reload([model])
    entries = ask(server, InferenceService.REPOSITORY_INDEX).models
    assert [(entry.name, entry.version, entry.state) for entry in entries] == [
        ("colour", "2", "UNAVAILABLE"),
        ("colour", "1", "READY"),
    ]
    assert "gain.txt holds 'no number'" in entries[0].reason
    ready = ask(server, InferenceService.REPOSITORY_INDEX, ready=True).models
    assert [entry.version for entry in ready] == ["1"]


def test_the_configuration_says_what_is_loaded(serve: Serve) -> None:
    server = serve()
    ask(server, InferenceService.REPOSITORY_MODEL_LOAD, model_name="colour")
    for method, name in (
        (InferenceService.REPOSITORY_MODEL_LOAD, "other"),
        (InferenceService.REPOSITORY_MODEL_UNLOAD, "colour"),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            ask(server, method, model_name=name)
        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert "explicit model load / unload is not allowed" in str(caught.value.details())
    assert ask(server, InferenceService.MODEL_READY, name="colour").ready


def test_version_0_is_the_latest_unless_there_is_one(serve: Serve, publish: Callable[..., object]) -> None:
    # OpenVINO's clients write 0 where they mean the latest.
    server = serve(models={"colour": {3: "1.0"}})
    request = raw_request("BYTES", [1], prefixed(DIM), model_version="0")
    assert infer(server, request).model_version == "3"
    publish(server.folder / "colour", 0)
    (model,) = server.server.registry.models()
    server.server.registry.reload([replace(model, policy=Everything())])
    assert infer(server, request).model_version == "0"
