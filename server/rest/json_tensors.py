"""JSON bodies to arrays and back, as TensorFlow Serving's REST API has them. Pure.

A request is in row format, ``{"instances": [...]}``, one item a picture, or in column format, ``{"inputs": ...}``, one
value an input. Where there is one input its name may be left out. ``{"b64": "..."}`` stands for bytes.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from accelserve.server.errors import InvalidRequestError
from accelserve.server.rest.json_elements import (
    NUMBERS,
    Elements,
    check_kinds,
    elements_of,
    numeric_array,
    shown,
)
from accelserve.server.rest.json_text import decode_json, from_base64
from accelserve.server.rest.numbers import plain

Array = NDArray[np.generic]
_B64 = "b64"
_TEXT = frozenset({str, dict})
_BYTES = frozenset({bytes})
_FLOAT32 = np.dtype(np.float32)


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


_BODY = msgspec.json.Decoder(PredictBody)


def parse_predict(body: bytes) -> PredictBody:
    """The body; InvalidRequestError if it is no JSON or neither format."""
    parsed = decode_json(body, _BODY)
    if parsed.by_row == (parsed.inputs is not msgspec.UNSET):
        raise InvalidRequestError(
            "Missing 'inputs' or 'instances' key"
            if not parsed.by_row
            else "Not both of 'inputs' and 'instances'"
        )
    return parsed


def arrays_of(body: PredictBody, known: Collection[str]) -> dict[str, Array]:
    """Input name -> array; numbers as float32, bytes as object arrays.

    Args:
        body: of the request.
        known: aliases of the signature's inputs; the only one is meant where the body names none.

    Raises:
        InvalidRequestError: ragged, mixed, not base64, or neither numbers nor text.
    """
    if not body.by_row:
        return {
            name: _array(_read(value, _is_text(_first_leaf(value))))
            for name, value in _named(body.inputs, known).items()
        }
    named, columns = _columns_of_rows(body.instances, known)
    return {name: _stacked(rows, f" key: {name}" if named else "") for name, rows in columns.items()}


def response_body(body: PredictBody, outputs: Mapping[str, Array]) -> dict[str, object]:
    """``predictions`` for the row format, ``outputs`` for the column format."""
    columns = {name: _plain(name, array) for name, array in outputs.items()}
    if not body.by_row:
        return {"outputs": next(iter(columns.values())) if len(columns) == 1 else columns}
    if len(columns) == 1:
        return {"predictions": next(iter(columns.values()))}
    rows = zip(*columns.values(), strict=True)
    return {"predictions": [dict(zip(columns, row, strict=True)) for row in rows]}


def _columns_of_rows(rows: object, known: Collection[str]) -> tuple[bool, dict[str, list[Any]]]:
    """Whether the rows name their inputs, and input name -> its value in every row."""
    if not isinstance(rows, list) or not rows:
        raise InvalidRequestError("'instances' must be a list of at least one item")
    if not _names_inputs(rows[0]):
        return False, {_only(known): rows}
    names = list(rows[0])
    for index, row in enumerate(rows):
        if not _names_inputs(row) or set(row) != set(names):
            raise InvalidRequestError(
                f"instance {index} does not name the inputs that instance 0 names: {names}"
            )
    return True, {name: [row[name] for row in rows] for name in names}


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


def _stacked(rows: list[Any], key: str) -> Array:
    """One tensor of a value in every row; all have the shape of the first."""
    holds_text = _is_text(_first_leaf(rows))
    tensors: list[Elements] = []
    for index, row in enumerate(rows):
        try:
            tensors.append(_read(row, holds_text))
            _check_same_shape(tensors[0], tensors[-1])
        except InvalidRequestError as error:
            raise InvalidRequestError(
                f"Failed to process element: {index}{key} of 'instances' list. Error: INVALID_ARGUMENT: {error}"
            ) from error
    first = tensors[0]
    flat = first.flat if len(tensors) == 1 else list(chain.from_iterable(each.flat for each in tensors))
    return _array(replace(first, shape=(len(tensors), *first.shape), flat=flat))


def _check_same_shape(first: Elements, other: Elements) -> None:
    if len(first.flat) != len(other.flat):
        raise InvalidRequestError(f"Expecting tensor size: {len(first.flat)} but got: {len(other.flat)}")
    if first.shape != other.shape:
        wanted, got = (f"[{','.join(map(str, each.shape))}]" for each in (first, other))
        raise InvalidRequestError(f"Expecting shape {wanted} but got: {got}")


def _read(value: object, holds_text: bool) -> Elements:
    """Elements that are all bytes, or else all numbers."""
    elements = elements_of(value)
    if not holds_text:
        check_kinds(elements, NUMBERS, "float")
        return elements
    check_kinds(elements, _TEXT, "string")
    return Elements(elements.shape, [_bytes(each) for each in elements.flat], _BYTES)


def _first_leaf(value: object) -> object:
    while isinstance(value, list) and value:
        value = value[0]
    return value


def _is_text(value: object) -> bool:
    return type(value) in _TEXT


def _array(elements: Elements) -> Array:
    if elements.kinds != _BYTES:
        return numeric_array(elements, _FLOAT32)
    array = np.empty(len(elements.flat), dtype=object)
    array[:] = elements.flat
    return array.reshape(elements.shape)


def _bytes(value: str | dict[str, Any]) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if set(value) != {_B64} or not isinstance(value[_B64], str):
        raise InvalidRequestError(f"{shown(value)} not formatted correctly for base64 data")
    try:
        return from_base64(value[_B64])
    except binascii.Error as error:
        raise InvalidRequestError(f"Unable to base64 decode: {error}") from error


def _plain(name: str, array: Array) -> Any:
    if array.dtype != object:
        return plain(array)
    items: list[bytes] = array.reshape(-1).tolist()
    if name.endswith("_bytes"):
        return [{_B64: base64.b64encode(item).decode()} for item in items]
    return [item.decode(errors="replace") for item in items]
