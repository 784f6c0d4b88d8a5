"""JSON bodies to arrays and back, as TensorFlow Serving's REST API has them. Pure.

A request is in row format, ``{"instances": [...]}``, one item a picture, or in column format, ``{"inputs": ...}``, one
value an input. Where there is one input its name may be left out. ``{"b64": "..."}`` stands for bytes.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from accelserve.server.errors import InvalidRequestError

Array = NDArray[np.generic]
_B64 = "b64"


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
    try:
        parsed = msgspec.json.decode(body, type=PredictBody)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"JSON Parse error: {error}") from error
    if parsed.by_row == (parsed.inputs is not msgspec.UNSET):
        raise InvalidRequestError(
            "Missing 'inputs' or 'instances' key"
            if not parsed.by_row
            else "Not both of 'inputs' and 'instances'"
        )
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
    plain = {name: _plain(name, array) for name, array in outputs.items()}
    if not body.by_row:
        return {"outputs": next(iter(plain.values())) if len(plain) == 1 else plain}
    if len(plain) == 1:
        return {"predictions": next(iter(plain.values()))}
    rows = zip(*plain.values(), strict=True)
    return {"predictions": [dict(zip(plain, row, strict=True)) for row in rows]}


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
    if isinstance(item, dict) and isinstance(item.get(_B64), str):
        try:
            return base64.b64decode(item[_B64], validate=True)
        except binascii.Error as error:
            raise InvalidRequestError(f"element {index} of input '{name}' is not base64: {error}") from error
    raise InvalidRequestError(f'element {index} of input \'{name}\' must be {{"b64": "..."}}')


def _plain(name: str, array: Array) -> list[Any]:
    if array.dtype != object:
        return array.tolist()  # type: ignore[no-any-return]  # numpy types a scalar's tolist too
    items: list[bytes] = array.reshape(-1).tolist()
    if name.endswith("_bytes"):
        return [{_B64: base64.b64encode(item).decode()} for item in items]
    return [item.decode(errors="replace") for item in items]
