"""Every fault has TensorFlow Serving's code and words, and says more where we know more."""

from __future__ import annotations

import logging
import re
import struct
import zlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accelserve.protos import google_protobuf
from accelserve.protos import tensorflow as tf
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import ModelService, PredictionService, UnaryMethod
from accelserve.protos.tensors import from_array, from_strings
from accelserve.server.config import RequestLimits
from accelserve.server.core.servable import ServableId

Serve = Callable[..., SimpleNamespace]
CODE = grpc.StatusCode
PREDICT = PredictionService.PREDICT
METADATA = PredictionService.GET_MODEL_METADATA
STATUS = ModelService.GET_MODEL_STATUS
PIXEL = from_array(np.zeros((1, 8, 8, 3), np.float32))


def spec(name: str = "colour", version: int | None = None, **rest: str) -> serving.ModelSpec:
    number = None if version is None else google_protobuf.Int64Value(value=version)
    return serving.ModelSpec(name=name, version=number, **rest)


def predict(
    *outputs: str, model: serving.ModelSpec | None = None, **inputs: tf.TensorProto
) -> serving.PredictRequest:
    return serving.PredictRequest(model_spec=model or spec(), inputs=inputs, output_filter=outputs)


def huge_png() -> bytes:
    """A PNG whose header claims 60000 x 60000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def error(server: SimpleNamespace, method: UnaryMethod[Any, Any], message: object) -> tuple[CODE, str]:
    with pytest.raises(grpc.RpcError) as caught:
        method.stub(server.channel)(message, timeout=60)
    return caught.value.code(), str(caught.value.details())


EXACT = {
    "no-model-spec": (
        PREDICT,
        serving.PredictRequest(inputs={"images": PIXEL}),
        CODE.INVALID_ARGUMENT,
        "Missing ModelSpec",
    ),
    "empty-name": (
        PREDICT,
        predict(model=spec(""), images=PIXEL),
        CODE.INVALID_ARGUMENT,
        "ModelSpec has no name specified.",
    ),
    "unknown-model": (
        PREDICT,
        predict(model=spec("NAME"), images=PIXEL),
        CODE.NOT_FOUND,
        "Servable not found for request: Latest(NAME)",
    ),
    "unknown-version": (
        PREDICT,
        predict(model=spec(version=7), images=PIXEL),
        CODE.NOT_FOUND,
        "Servable not found for request: Specific(colour, 7)",
    ),
    "unknown-label": (
        PREDICT,
        predict(model=spec(version_label="L"), images=PIXEL),
        CODE.INVALID_ARGUMENT,
        "Unrecognized servable version label: L",
    ),
    "unknown-signature": (
        PREDICT,
        predict(model=spec(signature_name="S"), images=PIXEL),
        CODE.FAILED_PRECONDITION,
        'Serving signature key "S" not found.',
    ),
    "no-input": (
        PREDICT,
        predict(),
        CODE.INVALID_ARGUMENT,
        (
            "input size does not match signature: 0!=1 len({}) != len({images}). "
            "Sent extra: {}. Missing but required: {images}."
        ),
    ),
    "one-input-too-many": (
        PREDICT,
        predict(images=PIXEL, other=PIXEL),
        CODE.INVALID_ARGUMENT,
        (
            "input size does not match signature: 2!=1 len({images,other}) != len({images}). "
            "Sent extra: {other}. Missing but required: {}."
        ),
    ),
    "unknown-input": (
        PREDICT,
        predict(X=PIXEL),
        CODE.INVALID_ARGUMENT,
        "input tensor alias not found in signature: X. Inputs expected to be in the set {images}.",
    ),
    "wrong-dtype": (
        PREDICT,
        predict(images=from_array(np.zeros((1, 8, 8, 3), np.float64))),
        CODE.INVALID_ARGUMENT,
        "Expects arg[0] to be string but double is provided",
    ),
    "unknown-output": (
        PREDICT,
        predict("X", images=PIXEL),
        CODE.INVALID_ARGUMENT,
        (
            "output tensor alias not found in signature: X "
            "Outputs expected to be in the set {brightest,output_alias}."
        ),
    ),
    "repeated-output": (
        PREDICT,
        predict("brightest", "brightest", images=PIXEL),
        CODE.INVALID_ARGUMENT,
        "duplicate output tensor alias: brightest",
    ),
    "status-of-unknown-version": (
        STATUS,
        serving.GetModelStatusRequest(model_spec=spec(version=9)),
        CODE.NOT_FOUND,
        "Could not find version 9 of model colour",
    ),
    "status-of-unknown-model": (
        STATUS,
        serving.GetModelStatusRequest(model_spec=spec("M")),
        CODE.NOT_FOUND,
        "Could not find any versions of model M",
    ),
    "status-without-model-spec": (
        STATUS,
        serving.GetModelStatusRequest(),
        CODE.INVALID_ARGUMENT,
        "Missing ModelSpec",
    ),
    "metadata-without-field": (
        METADATA,
        serving.GetModelMetadataRequest(model_spec=spec()),
        CODE.INVALID_ARGUMENT,
        "GetModelMetadataRequest must specify at least one metadata_field",
    ),
    "metadata-of-another-field": (
        METADATA,
        serving.GetModelMetadataRequest(model_spec=spec(), metadata_field=["X"]),
        CODE.INVALID_ARGUMENT,
        "Metadata field X is not supported",
    ),
}


@pytest.mark.parametrize(("method", "message", "code", "words"), EXACT.values(), ids=EXACT.keys())
def test_word_for_word(
    serve: Serve,
    method: UnaryMethod[Any, Any],
    message: object,
    code: CODE,
    words: str,
) -> None:
    # Two models and no default: an absent name has no meaning then.
    server = serve(models={"colour": {1: "1.0"}, "other": {1: "1.0"}})
    assert error(server, method, message) == (code, words)


BEGINS = {
    "unparsable-tensor": (
        tf.TensorProto(dtype=tf.DT_FLOAT, tensor_shape=PIXEL.tensor_shape, tensor_content=b"abc"),
        "tensor parsing error: images. ",
    ),
    "fewer-pictures-than-the-shape-says": (
        tf.TensorProto(
            dtype=tf.DT_STRING, tensor_shape=from_strings([b"", b""]).tensor_shape, string_val=[b"a"]
        ),
        "tensor parsing error: images. A string tensor of shape [2] has 2 elements, got 1.",
    ),
    "empty-picture": (from_strings([b""]), "Input is empty. Element 0 of the batch: "),
    "no-picture": (
        from_strings([b"not a picture"]),
        "Unknown image file format. One of JPEG, PNG, GIF, BMP, WebP required. Element 0 of the batch: ",
    ),
    "picture-of-absurd-size": (
        from_strings([huge_png()]),
        "Invalid PNG data. Element 0 of the batch: the picture claims 60000 x 60000 pixels",
    ),
    "matrix-of-pictures": (
        from_strings([b"a", b"b"], (1, 2)),
        "input 'images' holds encoded images and has shape [1, 2]; expected [], [N] or [N,1]",
    ),
    "no-pictures": (from_strings([]), "input 'images' holds no images; send at least one"),
    "too-many-pictures": (
        from_strings([b"a"] * 5),
        "input 'images' holds 5 images; at most 4 are taken in one request, split it",
    ),
    "floats-of-another-shape": (
        from_array(np.zeros((1, 3, 8, 9), np.float32)),
        "input 'images' holds preprocessed images and has shape [1, 3, 8, 9]; expected [N,8,8,3], or channels first:",
    ),
}


@pytest.mark.parametrize(("tensor", "words"), BEGINS.values(), ids=BEGINS.keys())
def test_bad_pictures_and_tensors(serve: Serve, tensor: tf.TensorProto, words: str) -> None:
    server = serve(limits=RequestLimits(max_images=4, max_pixels=50_000_000))
    code, message = error(server, PREDICT, predict(images=tensor))
    assert code is CODE.INVALID_ARGUMENT
    assert message.startswith(words)


def test_the_offending_element_is_named(serve: Serve, jpeg: bytes) -> None:
    code, message = error(serve(), PREDICT, predict(images=from_strings([jpeg, jpeg, jpeg[:900]])))
    assert code is CODE.INVALID_ARGUMENT
    assert message.startswith("Invalid JPEG data or crop window. Element 2 of the batch: ")


def test_bytes_that_are_no_message_are_the_callers_fault(serve: Serve) -> None:
    raw = serve().channel.unary_unary(PREDICT.path)
    with pytest.raises(grpc.RpcError) as caught:
        raw(b"\xff\xff\xff", timeout=60)
    assert caught.value.code() is CODE.INVALID_ARGUMENT
    assert "3 bytes are not a tensorflow.serving.PredictRequest" in str(caught.value.details())


def test_long_messages_are_cut(serve: Serve) -> None:
    _, message = error(serve(), PREDICT, predict("X" * 5000, images=PIXEL))
    assert message.endswith("...TRUNCATED")
    assert len(message) == 1024 + len("...TRUNCATED")


def test_long_messages_of_any_script_reach_the_caller(serve: Serve) -> None:
    """Percent-encoded, one of these characters takes 9 bytes of the 8 KiB from which on gRPC's clients refuse trailers."""
    served = serve()
    for character in "é図😀":
        code, message = error(served, PREDICT, predict(model=spec(5000 * character)))
        assert code is CODE.NOT_FOUND
        assert message.endswith(character + "...TRUNCATED")
        assert 1020 < len(message.removesuffix("...TRUNCATED").encode()) <= 1024


def test_an_unforeseen_error_is_internal_and_its_trace_is_in_the_log(
    serve: Serve, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()
    network = server.loader.loaded[ServableId("colour", 1)]
    monkeypatch.setattr(network, "signatures", None)
    with caplog.at_level(logging.ERROR):
        code, message = error(server, PREDICT, predict(images=PIXEL))
    assert code is CODE.INTERNAL
    incident = re.fullmatch(
        r"internal error (\w{12}); the server's log has the details under this id", message
    )
    assert incident is not None
    (record,) = [record for record in caplog.records if incident[1] in record.getMessage()]
    assert record.exc_info is not None


def test_an_unknown_method_is_unimplemented(serve: Serve) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        serve().channel.unary_unary("/tensorflow.serving.PredictionService/Guess")(b"", timeout=60)
    assert caught.value.code() is CODE.UNIMPLEMENTED


@pytest.fixture
def server(serve: Serve) -> SimpleNamespace:
    """One server for all examples of a property."""
    return serve()


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_mutated_requests_never_hurt_the_server(
    server: SimpleNamespace, jpeg: bytes, data: st.DataObject
) -> None:
    message = bytearray(predict("brightest", images=from_strings([jpeg[:3000]])).SerializeToString())
    for _ in range(data.draw(st.integers(1, 6))):
        message[data.draw(st.integers(0, min(len(message), 400) - 1))] = data.draw(st.integers(0, 255))
    try:
        server.channel.unary_unary(PREDICT.path)(bytes(message), timeout=60)
    except grpc.RpcError as caught:
        assert caught.code() in {CODE.INVALID_ARGUMENT, CODE.NOT_FOUND, CODE.FAILED_PRECONDITION}  # noqa: PT017
    PREDICT.stub(server.channel)(predict(images=PIXEL), timeout=60)
