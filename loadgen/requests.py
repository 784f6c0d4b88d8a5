"""Pictures to requests, once, before anything is measured: what is sent later are these bytes. Pure."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import numpy as np

from accelserve.client.prediction import ModelSelection, images_request, tensors_request
from accelserve.loadgen.errors import LoadError
from accelserve.loadgen.plan import Form, PixelTensor, Target
from accelserve.protos import inference
from accelserve.protos import tensorflow as tf

_SIGNATURE = "signature_name"
_DECIMALS = 6
_FORM = Form()
_TENSORFLOW = {"uint8": tf.DT_UINT8, "float32": tf.DT_FLOAT}
_OPEN_INFERENCE = {"uint8": "UINT8", "float32": "FP32"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a request carries; headers are HTTP's."""

    content: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def body_of(target: Target, images: Sequence[bytes], form: Form = _FORM) -> Body:
    """The request for some pictures, in the target's protocol.

    Args:
        target: protocol, model, signature, input, and what that takes.
        images: at least one: encoded, or the bytes of tensors.
        form: of the Open Inference Protocol's tensors.
    """
    if target.api == "tfserving":
        return _predict_json(target, images) if target.over_http else _predict(target, images)
    tensor = _tensor(target.pixels, images, column=form.column)
    if not target.over_http:
        return _infer(target, tensor)
    return _infer_json(target, tensor) if form.as_json else _infer_binary(target, tensor)


def path_of(target: Target) -> str:
    """Where a REST request goes, behind the address; LoadError without a model's name, which is a part of it."""
    if not target.model:
        raise LoadError("--model is needed over REST: its name is a part of every address.")
    model = quote(target.model, safe="")
    version = "" if target.version is None else f"/versions/{target.version}"
    if target.api == "tfserving":
        return f"/v1/models/{model}{version}:predict"
    return f"/v2/models/{model}{version}/infer"


def _predict(target: Target, images: Sequence[bytes]) -> Body:
    model = ModelSelection(name=target.model, version=target.version, signature_name=target.signature)
    if target.pixels is None:
        request = images_request(images, input_name=target.input_name, model=model, outputs=None)
    else:
        shape = [len(images), *target.pixels.shape]
        tensor = (images, shape, _TENSORFLOW[target.pixels.dtype])
        request = tensors_request({target.input_name: tensor}, model=model, outputs=None)
    return Body(content=request.SerializeToString())


def _predict_json(target: Target, images: Sequence[bytes]) -> Body:
    """Rows with the input's name: TensorFlow Serving and OpenVINO Model Server both take these."""
    rows = [{target.input_name: _json_value(target.pixels, image)} for image in images]
    signature = {_SIGNATURE: target.signature} if target.signature else {}
    content = json.dumps({**signature, "instances": rows}).encode()
    return Body(content=content, headers={"content-type": "application/json"})


def _json_value(pixels: PixelTensor | None, image: bytes) -> Any:
    """Base64; or nested lists of numbers, of float32 to six decimals: 8-bit levels hold no more."""
    if pixels is None:
        return {"b64": base64.b64encode(image).decode()}
    values = np.frombuffer(image, np.dtype(pixels.dtype).newbyteorder("<"))
    if pixels.dtype == "float32":
        values = values.astype(np.float64).round(_DECIMALS)
    return values.reshape(pixels.shape).tolist()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tensor:
    """Of the Open Inference Protocol; ``raw`` as its binary extensions have it."""

    datatype: str
    shape: Sequence[int]
    images: Sequence[bytes]

    @property
    def raw(self) -> bytes:
        if self.datatype != "BYTES":
            return b"".join(self.images)
        return b"".join(struct.pack("<I", len(image)) + image for image in self.images)


def _tensor(pixels: PixelTensor | None, images: Sequence[bytes], *, column: bool) -> _Tensor:
    if pixels is None:
        shape = [len(images), 1] if column else [len(images)]
        return _Tensor(datatype="BYTES", shape=shape, images=images)
    return _Tensor(datatype=_OPEN_INFERENCE[pixels.dtype], shape=[len(images), *pixels.shape], images=images)


def _infer(target: Target, tensor: _Tensor) -> Body:
    encoded = tensor.datatype == "BYTES"
    contents = inference.InferTensorContents(bytes_contents=tensor.images) if encoded else None
    given = inference.ModelInferRequest.InferInputTensor(
        name=target.input_name, datatype=tensor.datatype, shape=tensor.shape, contents=contents
    )
    request = inference.ModelInferRequest(
        model_name=target.model,
        model_version="" if target.version is None else str(target.version),
        inputs=[given],
        raw_input_contents=[] if encoded else [tensor.raw],
    )
    if target.signature:
        request.parameters[_SIGNATURE].string_param = target.signature
    return Body(content=request.SerializeToString())


def _infer_json(target: Target, tensor: _Tensor) -> Body:
    """Numbers, or base64 with the content type by which MLServer knows it; JSON has no bytes."""
    given: dict[str, Any] = {}
    if target.pixels is None:
        given["parameters"] = {"content_type": "base64"}
        given["data"] = [base64.b64encode(image).decode() for image in tensor.images]
    else:
        given["data"] = [_json_value(target.pixels, image) for image in tensor.images]
    content = _infer_head(target, tensor, given)
    return Body(content=content, headers={"content-type": "application/json"})


def _infer_head(target: Target, tensor: _Tensor, given: Mapping[str, Any]) -> bytes:
    own = {"name": target.input_name, "datatype": tensor.datatype, "shape": list(tensor.shape)}
    parameters = {"parameters": {_SIGNATURE: target.signature}} if target.signature else {}
    return json.dumps({**parameters, "inputs": [{**own, **given}]}).encode()


def _infer_binary(target: Target, tensor: _Tensor) -> Body:
    """The binary tensor data extension."""
    raw = tensor.raw
    head = _infer_head(target, tensor, {"parameters": {"binary_data_size": len(raw)}})
    headers = {
        "content-type": "application/octet-stream",
        "inference-header-content-length": str(len(head)),
    }
    return Body(content=head + raw, headers=headers)
