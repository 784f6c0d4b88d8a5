"""Bodies of the Open Inference Protocol over HTTP to calls and back. Pure.

A body is JSON, alone or followed by the raw bytes of those inputs whose parameters carry a ``binary_data_size``, in
their order; the header Inference-Header-Content-Length then says where the JSON ends. Answers are built alike.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from accelserve.server.dataplane.servable import Array
from accelserve.server.errors import InvalidRequestError
from accelserve.server.protocols.open_inference.call import (
    CLASSIFICATION_PARAMETER,
    SIGNATURE_PARAMETER,
    InferCall,
    InferResult,
)
from accelserve.server.protocols.open_inference.tensors import (
    BYTES,
    array_of_raw,
    array_of_values,
    check_datatype,
    check_new_input,
    check_new_output,
    datatype_of,
    raw_of,
)
from accelserve.server.rest.json_elements import NUMBERS, WHOLE_NUMBERS, check_kinds, flattened
from accelserve.server.rest.json_text import decode_json, from_base64
from accelserve.server.rest.numbers import encode, plain, whole_number

HEADER_LENGTH = "inference-header-content-length"
_BINARY_SIZE = "binary_data_size"
_B64 = "b64"
_BOOL, _FLOATING = "BOOL", "FP"
_TRUTHS = frozenset({bool})


class InputTensor(msgspec.Struct, frozen=True, kw_only=True):
    """One input: its elements in ``data``, nested or flat, or behind the JSON."""

    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] | None = None
    data: Any = msgspec.UNSET


class RequestedOutput(msgspec.Struct, frozen=True, kw_only=True):
    """One output that the client wants; ``binary_data`` and ``classification`` are known parameters."""

    name: str
    parameters: dict[str, Any] | None = None


class InferBody(msgspec.Struct, frozen=True, kw_only=True):
    """A request's JSON; clients that are generated from a schema write null for what is absent."""

    inputs: list[InputTensor]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[RequestedOutput] | None = None


_BODY = msgspec.json.Decoder(InferBody)


@dataclass(frozen=True, slots=True, kw_only=True)
class InferResponse:
    """A response: the whole body, and where its JSON ends, or None if it is JSON to the end."""

    body: bytes
    json_bytes: int | None


def parse_infer(raw: bytes, header_length: str | None) -> tuple[InferBody, bytes]:
    """The JSON of a body, and the raw bytes behind it.

    Raises:
        InvalidRequestError: no JSON, not of that form, or the header is no length within the body.
    """
    if header_length is None:
        return decode_json(raw, _BODY, text_behind=False), b""
    end = whole_number(header_length)
    if end is None or end > len(raw):
        raise InvalidRequestError(
            f"Inference-Header-Content-Length is '{header_length}'; expected a length within the body's {len(raw)}"
        )
    return decode_json(raw[:end], _BODY, text_behind=False), raw[end:]


def call_of(body: InferBody, binary: bytes, model_name: str, model_version: str) -> InferCall:
    """The call that a body makes; InvalidRequestError if its tensors do not hold together."""
    signature = (body.parameters or {}).get(SIGNATURE_PARAMETER) or ""
    if not isinstance(signature, str):
        raise InvalidRequestError(
            f"parameter '{SIGNATURE_PARAMETER}' is {signature!r}; expected a signature's name"
        )
    outputs: dict[str, int] = {}
    for output in body.outputs or ():
        check_new_output(output.name, outputs)
        outputs[output.name] = _whole(output.parameters, CLASSIFICATION_PARAMETER) or 0
    return InferCall(
        model_name=model_name,
        model_version=model_version,
        signature=signature,
        inputs=_inputs(body.inputs, binary),
        outputs=outputs,
    )


def response_of(body: InferBody, answer: InferResult) -> InferResponse:
    """The response: raw bytes for the outputs that were asked for so, JSON for the others."""
    default = (body.parameters or {}).get("binary_data_output") is True
    asked = {
        output.name: (output.parameters or {}).get("binary_data", default) is True
        for output in body.outputs or ()
    }
    outputs: list[dict[str, object]] = []
    blobs: list[bytes] = []
    for name, array in answer.outputs.items():
        described: dict[str, object] = {
            "name": name,
            "datatype": datatype_of(array.dtype.name),
            "shape": list(array.shape),
        }
        if asked.get(name, default):
            blobs.append(raw_of(array))
            described["parameters"] = {_BINARY_SIZE: len(blobs[-1])}
        else:
            described["data"] = _values(array)
        outputs.append(described)
    content = encode(
        {
            "model_name": answer.servable_id.name,
            "model_version": str(answer.servable_id.version),
            **({"id": body.id} if body.id else {}),
            "outputs": outputs,
        }
    )
    return InferResponse(body=content + b"".join(blobs), json_bytes=len(content) if blobs else None)


def _inputs(tensors: list[InputTensor], binary: bytes) -> Mapping[str, Array]:
    arrays: dict[str, Array] = {}
    position = 0
    for tensor in tensors:
        check_new_input(tensor.name, arrays)
        check_datatype(tensor.name, tensor.datatype)
        size = _whole(tensor.parameters, _BINARY_SIZE)
        if size is None:
            values = _elements(tensor)
            arrays[tensor.name] = array_of_values(tensor.name, tensor.datatype, tensor.shape, values)
            continue
        content = binary[position : position + size]
        if len(content) != size:
            raise InvalidRequestError(
                f"input '{tensor.name}' has a binary_data_size of {size}, but {len(content)} bytes are left"
            )
        arrays[tensor.name] = array_of_raw(tensor.name, tensor.datatype, tensor.shape, content)
        position += size
    if position != len(binary):
        raise InvalidRequestError(f"{len(binary) - position} bytes after the last input belong to none")
    return arrays


def _elements(tensor: InputTensor) -> list[Any]:
    if tensor.data is msgspec.UNSET:
        raise InvalidRequestError(f"input '{tensor.name}' has neither data nor a binary_data_size")
    elements = flattened(tensor.data)
    if tensor.datatype == BYTES:
        base64_text = (tensor.parameters or {}).get("content_type") == "base64"
        return [_bytes(tensor.name, value, base64_text) for value in elements.flat]
    check_kinds(elements, _kinds_of(tensor.datatype), tensor.datatype)
    return elements.flat


def _kinds_of(datatype: str) -> AbstractSet[type]:
    """The Python types of the JSON values that a datatype takes: FP32 whole numbers too, INT32 no others."""
    if datatype == _BOOL:
        return _TRUTHS
    return NUMBERS if datatype.startswith(_FLOATING) else WHOLE_NUMBERS


def _bytes(name: str, value: object, base64_text: bool) -> bytes:
    """JSON has no bytes: text stands for its UTF-8, {"b64": ...} or text of content_type base64 for what it encodes."""
    text = value.get(_B64) if isinstance(value, dict) else value
    if not isinstance(text, str):
        raise InvalidRequestError(f'an element of input \'{name}\' is neither text nor {{"b64": "..."}}')
    if not (base64_text or isinstance(value, dict)):
        return text.encode()
    try:
        return from_base64(text)
    except binascii.Error as error:
        raise InvalidRequestError(f"an element of input '{name}' is not base64: {error}") from error


def _values(array: Array) -> object:
    if array.dtype != object:
        return plain(np.ravel(array))
    return [_text(item) for item in array.reshape(-1).tolist()]


def _text(item: bytes) -> object:
    try:
        return item.decode()
    except UnicodeDecodeError:
        return {_B64: base64.b64encode(item).decode()}


def _whole(parameters: Mapping[str, Any] | None, name: str) -> int | None:
    value = (parameters or {}).get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidRequestError(f"parameter '{name}' is {value!r}; expected a whole number of 0 or more")
    return value
