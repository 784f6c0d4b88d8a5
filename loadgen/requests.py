"""Pictures to requests, once, before anything is measured: what is sent later are these bytes. Pure."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from accelserve.client.prediction import ModelSelection, images_request
from accelserve.loadgen.errors import LoadError
from accelserve.loadgen.plan import Target
from accelserve.protos import inference

_SIGNATURE = "signature_name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a request carries; headers are HTTP's."""

    content: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def body_of(target: Target, images: Sequence[bytes], *, column: bool = False) -> Body:
    """The request for some encoded pictures, in the target's protocol.

    Args:
        target: protocol, model, signature and input.
        images: at least one.
        column: the input's shape is [N, 1] rather than [N] (the Open Inference Protocol only).
    """
    shape = [len(images), 1] if column else [len(images)]
    if target.api == "tfserving":
        return _predict_json(target, images) if target.over_http else _predict(target, images)
    return _infer_http(target, images, shape) if target.over_http else _infer(target, images, shape)


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
    request = images_request(images, input_name=target.input_name, model=model, outputs=None)
    return Body(content=request.SerializeToString())


def _predict_json(target: Target, images: Sequence[bytes]) -> Body:
    """Rows with the input's name: TensorFlow Serving and OpenVINO Model Server both take these."""
    rows = [{target.input_name: {"b64": base64.b64encode(image).decode()}} for image in images]
    signature = {_SIGNATURE: target.signature} if target.signature else {}
    content = json.dumps({**signature, "instances": rows}).encode()
    return Body(content=content, headers={"content-type": "application/json"})


def _infer(target: Target, images: Sequence[bytes], shape: Sequence[int]) -> Body:
    tensor = inference.ModelInferRequest.InferInputTensor(
        name=target.input_name,
        datatype="BYTES",
        shape=shape,
        contents=inference.InferTensorContents(bytes_contents=images),
    )
    request = inference.ModelInferRequest(
        model_name=target.model,
        model_version="" if target.version is None else str(target.version),
        inputs=[tensor],
    )
    if target.signature:
        request.parameters[_SIGNATURE].string_param = target.signature
    return Body(content=request.SerializeToString())


def _infer_http(target: Target, images: Sequence[bytes], shape: Sequence[int]) -> Body:
    """The binary tensor data extension: JSON has no bytes, and not every server reads base64."""
    raw = b"".join(struct.pack("<I", len(image)) + image for image in images)
    tensor = {
        "name": target.input_name,
        "datatype": "BYTES",
        "shape": list(shape),
        "parameters": {"binary_data_size": len(raw)},
    }
    parameters = {"parameters": {_SIGNATURE: target.signature}} if target.signature else {}
    head = json.dumps({**parameters, "inputs": [tensor]}).encode()
    headers = {
        "content-type": "application/octet-stream",
        "inference-header-content-length": str(len(head)),
    }
    return Body(content=head + raw, headers=headers)
