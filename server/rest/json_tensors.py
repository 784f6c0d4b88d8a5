"""JSON bodies to arrays and back, as TensorFlow Serving's REST API has them. Pure.

A request is in row format, ``{"instances": [...]}``, one item a picture, or in column format, ``{"inputs": ...}``, one
value an input. Where there is one input its name may be left out. ``{"b64": "..."}`` stands for bytes.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from accelserve.server.errors import InvalidRequestError
from accelserve.server.rest.numbers import plain

Array = NDArray[np.generic]
T = TypeVar("T")
_B64 = "b64"
_SPECIAL_NUMBER = re.compile(rb"NaN|Infinity")


class PredictBody(msgspec.Struct, frozen=True, kw_only=True):
    """A request's JSON.

    Attributes:
        signature_name: empty means ``serving_default``.
        instances: row format, or absent.
        inputs: column format, or absent.
    """

    signature_name: str = ""
    instances: list[Any] | msgspec.UnsetType = msgspec.UNSET
    inputs: Any = msgspec.UNSET

    @property
    def by_row(self) -> bool:
        """In row format."""
        return self.instances is not msgspec.UNSET


def parse_predict(body: bytes) -> PredictBody:
    """The body; InvalidRequestError if it is no JSON or neither format."""
    parsed = decode_json(body, PredictBody)
    if parsed.by_row == (parsed.inputs is not msgspec.UNSET):
        raise InvalidRequestError(
            "Missing 'inputs' or 'instances' key"
            if not parsed.by_row
            else "Not both of 'inputs' and 'instances'"
        )
    return parsed


def decode_json(body: bytes, kind: type[T]) -> T:
    """JSON as a struct; NaN, Infinity and -Infinity are numbers, as they are to TensorFlow Serving.

    Raises:
        InvalidRequestError: no JSON, or not of that form.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        lenient = _lenient(body) if _SPECIAL_NUMBER.search(body) else None
        if lenient is None:
            raise InvalidRequestError(f"JSON Parse error: {error or 'nested too deeply'}") from error
    try:
        return msgspec.convert(lenient, kind)
    except msgspec.ValidationError as error:
        raise InvalidRequestError(f"JSON Parse error: {error}") from error


def _lenient(body: bytes) -> object | None:
    """The body by Python's own parser, which knows these numbers; None if it is no JSON to it either."""
    try:
        parsed: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return parsed


def arrays_of(body: PredictBody, known: Collection[str]) -> dict[str, Array]:
    """Input name -> array; bytes as object arrays.

    Args:
        body: of the request.
        known: aliases of the signature's inputs; the only one is meant where the body names none.

    Raises:
        InvalidRequestError: ragged, mixed, or not base64.
    """
    columns = _columns_of_rows(body.instances, known) if body.by_row else _named(body.inputs, known)
    return {name: _array(name, values) for name, values in columns.items()}


def response_body(body: PredictBody, outputs: Mapping[str, Array]) -> dict[str, object]:
    """``predictions`` for the row format, ``outputs`` for the column format."""
    columns = {name: _plain(name, array) for name, array in outputs.items()}
    if not body.by_row:
        return {"outputs": next(iter(columns.values())) if len(columns) == 1 else columns}
    if len(columns) == 1:
        return {"predictions": next(iter(columns.values()))}
    rows = zip(*columns.values(), strict=True)
    return {"predictions": [dict(zip(columns, row, strict=True)) for row in rows]}


def _columns_of_rows(rows: object, known: Collection[str]) -> dict[str, list[Any]]:
    if not isinstance(rows, list) or not rows:
        raise InvalidRequestError("'instances' must be a list of at least one item")
    if not _names_inputs(rows[0]):
        return {_only(known): rows}
    names = list(rows[0])
    for index, row in enumerate(rows):
        if not _names_inputs(row) or set(row) != set(names):
            raise InvalidRequestError(
                f"instance {index} does not name the inputs that instance 0 names: {names}"
            )
    return {name: [row[name] for row in rows] for name in names}


def _named(inputs: object, known: Collection[str]) -> dict[str, Any]:
    if _names_inputs(inputs):
        assert isinstance(inputs, dict)  # noqa: S101 - for the type checker; _names_inputs saw to it
        return inputs
    return {_only(known): inputs}


def _names_inputs(value: object) -> bool:
    return isinstance(value, dict) and set(value) != {_B64}


def _only(known: Collection[str]) -> str:
    if len(known) != 1:
        raise InvalidRequestError(
            f"the signature has {len(known)} inputs ({', '.join(sorted(known))}); name them"
        )
    return next(iter(known))


def _array(name: str, value: object) -> Array:
    if isinstance(value, dict | str):
        value = [value]
    if isinstance(value, list) and value and _is_bytes(_first_leaf(value)):
        return _strings(name, value)
    try:
        return np.asarray(value, dtype=np.float32)
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidRequestError(f"input '{name}' is no tensor of numbers: {error}") from error


def _first_leaf(value: object) -> object:
    while isinstance(value, list) and value:
        value = value[0]
    return value


def _is_bytes(value: object) -> bool:
    return isinstance(value, dict | str)


def _strings(name: str, values: list[Any]) -> Array:
    # [[a], [b]] is how row format writes [N, 1]; an image needs no deeper nesting.
    flat = [item[0] if isinstance(item, list) and len(item) == 1 else item for item in values]
    array = np.empty(len(flat), dtype=object)
    for index, item in enumerate(flat):
        array[index] = _bytes(name, index, item)
    return array


def _bytes(name: str, index: int, item: object) -> bytes:
    if isinstance(item, str):
        return item.encode()
    if isinstance(item, dict) and set(item) == {_B64} and isinstance(item[_B64], str):
        try:
            return from_base64(item[_B64])
        except binascii.Error as error:
            raise InvalidRequestError(f"element {index} of input '{name}' is not base64: {error}") from error
    raise InvalidRequestError(f'element {index} of input \'{name}\' must be {{"b64": "..."}}')


def from_base64(text: str) -> bytes:
    """Base64 with or without its padding, as TensorFlow Serving takes it; binascii.Error for anything else."""
    try:
        unpadded = text.rstrip("=").encode("ascii")
    except UnicodeEncodeError as error:
        raise binascii.Error("only ASCII characters are allowed") from error
    return base64.b64decode(unpadded + b"=" * (-len(unpadded) % 4), validate=True)


def _plain(name: str, array: Array) -> Any:
    if array.dtype != object:
        return plain(array)
    items: list[bytes] = array.reshape(-1).tolist()
    if name.endswith("_bytes"):
        return [{_B64: base64.b64encode(item).decode()} for item in items]
    return [item.decode(errors="replace") for item in items]
