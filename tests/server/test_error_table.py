"""TensorFlow Serving's errors, row by row: the same words over gRPC and over HTTP, with the code of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import grpc
import httpx
import numpy as np
import pytest

from accelserve.protos import google_protobuf
from accelserve.protos import tensorflow as tf
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import ModelService, PredictionService, UnaryMethod
from accelserve.protos.tensors import from_array, from_strings
from accelserve.server.config import BatchingConfig, RestConfig

Serve = Callable[..., SimpleNamespace]
CODE = grpc.StatusCode
HTTP = {CODE.INVALID_ARGUMENT: 400, CODE.FAILED_PRECONDITION: 400, CODE.NOT_FOUND: 404, CODE.UNAVAILABLE: 503}
PIXELS = np.zeros((1, 8, 8, 3), np.float32)
PIXEL = from_array(PIXELS)
ROWS = PIXELS.tolist()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A fault: how gRPC sends it, how HTTP does (None where it cannot), and what both answer.

    ``begins`` means that more may follow the words.
    """

    method: UnaryMethod[Any, Any]
    message: Any
    http: tuple[str, str, Any] | None
    code: CODE
    words: str
    begins: bool = False


def predict(
    *outputs: str, name: str | None = "colour", signature: str = "", label: str = "", version: int = 0,
    **inputs: tf.TensorProto,
) -> serving.PredictRequest:  # fmt: skip
    spec = None
    if name is not None:
        spec = serving.ModelSpec(name=name, signature_name=signature)
        if label:
            spec.version_label = label
        if version:
            spec.version.CopyFrom(google_protobuf.Int64Value(value=version))
    return serving.PredictRequest(model_spec=spec, inputs=inputs or {"images": PIXEL}, output_filter=outputs)


def post(path: str, **body: Any) -> tuple[str, str, Any]:
    return "POST", f"/v1/models/{path}:predict", body or {"instances": ROWS}


def config(*models: serving.ModelConfig) -> serving.ReloadConfigRequest:
    listed = serving.ModelConfigList(config=models)
    return serving.ReloadConfigRequest(config=serving.ModelServerConfig(model_config_list=listed))


PREDICT = PredictionService.PREDICT
METADATA = PredictionService.GET_MODEL_METADATA
STATUS = ModelService.GET_MODEL_STATUS
RELOAD = ModelService.HANDLE_RELOAD_CONFIG_REQUEST
INVALID, MISSING, FAILED = CODE.INVALID_ARGUMENT, CODE.NOT_FOUND, CODE.FAILED_PRECONDITION


def status_request(name: str, version: int = 0) -> serving.GetModelStatusRequest:
    spec = serving.ModelSpec(name=name)
    if version:
        spec.version.CopyFrom(google_protobuf.Int64Value(value=version))
    return serving.GetModelStatusRequest(model_spec=spec)


def rows() -> dict[str, Row]:
    return {
        "no-model-spec": Row(
            method=PREDICT, message=predict(name=None), http=None, code=INVALID, words="Missing ModelSpec"
        ),
        "empty-name": Row(
            method=PREDICT, message=predict(name=""), http=None, code=INVALID,
            words="ModelSpec has no name specified.",
        ),
        "unknown-model": Row(
            method=PREDICT, message=predict(name="NAME"), http=post("NAME"), code=MISSING,
            words="Servable not found for request: Latest(NAME)",
        ),
        "unknown-version": Row(
            method=PREDICT, message=predict(version=7), http=post("colour/versions/7"), code=MISSING,
            words="Servable not found for request: Specific(colour, 7)",
        ),
        "unknown-label": Row(
            method=PREDICT, message=predict(label="L"), http=post("colour/labels/L"), code=INVALID,
            words="Unrecognized servable version label: L",
        ),
        "unknown-signature": Row(
            method=PREDICT, message=predict(signature="S"),
            http=post("colour", signature_name="S", instances=ROWS), code=FAILED,
            words='Serving signature key "S" not found.',
        ),
        "wrong-number-of-inputs": Row(
            method=PREDICT, message=predict(images=PIXEL, other=PIXEL),
            http=post("colour", inputs={"images": ROWS, "other": ROWS}), code=INVALID,
            words="input size does not match signature: 2!=1 len({images,other}) != len({images}). "
            "Sent extra: {other}. Missing but required: {}.",
        ),
        "wrong-input-name": Row(
            method=PREDICT, message=predict(X=PIXEL), http=post("colour", inputs={"X": ROWS}), code=INVALID,
            words="input tensor alias not found in signature: X. Inputs expected to be in the set {images}.",
        ),
        "unparsable-tensor": Row(
            method=PREDICT, message=predict(images=tf.TensorProto(dtype=tf.DT_FLOAT, tensor_content=b"abc")),
            http=None, code=INVALID, words="tensor parsing error: images", begins=True,
        ),
        "wrong-dtype": Row(
            method=PREDICT, message=predict(images=from_array(PIXELS.astype(np.float64))), http=None,
            code=INVALID, words="Expects arg[0] to be string but double is provided",
        ),
        "unknown-output": Row(
            method=PREDICT, message=predict("X"), http=None, code=INVALID,
            words="output tensor alias not found in signature: X "
            "Outputs expected to be in the set {brightest,output_alias}.",
        ),
        "repeated-output": Row(
            method=PREDICT, message=predict("brightest", "brightest"), http=None, code=INVALID,
            words="duplicate output tensor alias: brightest",
        ),
        "status-of-unknown-version": Row(
            method=STATUS, message=status_request("colour", 9),
            http=("GET", "/v1/models/colour/versions/9", None), code=MISSING,
            words="Could not find version 9 of model colour",
        ),
        "status-of-unknown-model": Row(
            method=STATUS, message=status_request("M"), http=("GET", "/v1/models/M", None), code=MISSING,
            words="Could not find any versions of model M",
        ),
        "metadata-without-field": Row(
            method=METADATA,
            message=serving.GetModelMetadataRequest(model_spec=serving.ModelSpec(name="colour")),
            http=None, code=INVALID,
            words="GetModelMetadataRequest must specify at least one metadata_field",
        ),
        "metadata-of-another-field": Row(
            method=METADATA,
            message=serving.GetModelMetadataRequest(
                model_spec=serving.ModelSpec(name="colour"), metadata_field=["X"]
            ),
            http=None, code=INVALID, words="Metadata field X is not supported",
        ),
        "reload-that-is-no-list": Row(
            method=RELOAD, message=serving.ReloadConfigRequest(), http=None, code=INVALID,
            words="ServerModelConfig type not supported by HandleReloadConfigRequest. "
            "Only ModelConfigList is currently supported",
        ),
        "empty-picture": Row(
            method=PREDICT, message=predict(images=from_strings([b""])),
            http=post("colour", instances=[{"b64": ""}]), code=INVALID, words="Input is empty.", begins=True,
        ),
        "no-picture": Row(
            method=PREDICT, message=predict(images=from_strings([b"text"])),
            http=post("colour", instances=[{"b64": "dGV4dA=="}]), code=INVALID,
            words="Unknown image file format. One of JPEG, PNG, GIF, BMP, WebP required.", begins=True,
        ),
        "half-a-jpeg": Row(
            method=PREDICT, message=predict(images=from_strings([b"\xff\xd8\xff\xe0"])),
            http=post("colour", instances=[{"b64": "/9j/4A=="}]), code=INVALID,
            words="Invalid JPEG data or crop window.", begins=True,
        ),
        "larger-than-a-batch": Row(
            method=PREDICT, message=predict(images=from_array(np.zeros((65, 8, 8, 3), np.float32))),
            http=post("colour", instances=np.zeros((65, 8, 8, 3)).tolist()), code=INVALID,
            words="Task size 65 is larger than maximum input batch size 64",
        ),
    }  # fmt: skip


def check(row: Row, words: str) -> None:
    assert words.startswith(row.words) if row.begins else words == row.words


@pytest.fixture(scope="module")
def table() -> dict[str, Row]:
    return rows()


@pytest.mark.parametrize("name", rows())
def test_row(serve: Serve, table: dict[str, Row], name: str) -> None:
    row = table[name]
    # Two models and no default: an absent name has no meaning then.
    server = serve(
        models={"colour": {1: "1.0"}, "other": {1: "1.0"}},
        rest=RestConfig(address="127.0.0.1", port=0),
        batching=BatchingConfig(max_batch_images=64, explicit=True),
    )
    with pytest.raises(grpc.RpcError) as caught:
        row.method.stub(server.channel)(row.message, timeout=60)
    assert caught.value.code() is row.code
    check(row, str(caught.value.details()))
    if row.http is None:
        return
    verb, path, body = row.http
    answer = httpx.request(verb, f"http://127.0.0.1:{server.server.rest_port}{path}", json=body, timeout=60)
    assert answer.status_code == HTTP[row.code]
    check(row, answer.json()["error"])


def test_a_label_for_a_version_that_does_not_serve(serve: Serve) -> None:
    server = serve()
    model = serving.ModelConfig(
        name="colour", base_path=str(server.folder / "colour"), version_labels={"stable": 42}
    )
    with pytest.raises(grpc.RpcError) as caught:
        RELOAD.stub(server.channel)(config(model), timeout=60)
    assert (caught.value.code(), caught.value.details()) == (
        FAILED,
        "Request to assign label to version 42 of model colour, which is not currently available for inference",
    )


def test_a_model_that_is_listed_twice(serve: Serve) -> None:
    server = serve()
    model = serving.ModelConfig(name="colour", base_path=str(server.folder / "colour"))
    with pytest.raises(grpc.RpcError) as caught:
        RELOAD.stub(server.channel)(config(model, model), timeout=60)
    assert (caught.value.code(), caught.value.details()) == (
        INVALID,
        "Illegal to list model colour multiple times in config list",
    )
