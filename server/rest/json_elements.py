"""Nested JSON lists to shapes and elements, refused in TensorFlow Serving's words where they make no tensor. Pure.

Source: ``util/json_tensor.cc`` of tensorflow/serving, ``FillTensorProto`` and ``AddValueToTensor``.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import chain
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from accelserve.server.errors import InvalidRequestError
from accelserve.server.rest.numbers import encode

Array = NDArray[Any]

NUMBERS = frozenset({int, float})
"""The Python types of JSON's numbers; of its truth values, which Python would take for numbers, there is ``bool``."""
WHOLE_NUMBERS = frozenset({int})

_SHOWN_CHARACTERS = 128
_JSON_TYPES = {type(None): "Null", dict: "Object", list: "Array", str: "String"}


@dataclass(frozen=True, slots=True)
class Elements:
    """The elements of nested lists.

    Attributes:
        shape: the length of the lists on each level; empty for a lone element.
        flat: in row-major order.
        kinds: the Python types of the elements.
    """

    shape: tuple[int, ...]
    flat: list[Any]
    kinds: AbstractSet[type]


def elements_of(value: object) -> Elements:
    """What nested lists hold; InvalidRequestError if the lists of a level differ in length, or some lie deeper."""
    return _numbers_of(value) or _elements_of(value)


def _numbers_of(value: object) -> Elements | None:
    """What lists of numbers hold, without a look at what is between the elements; None if anything is not as it should be."""
    shape: list[int] = []
    flat: list[Any] = [value]
    try:
        while flat and type(flat[0]) is list:
            shape.append(len(flat[0]))
            if set(map(len, flat)) != {shape[-1]}:
                return None
            flat = list(chain.from_iterable(flat))
    except TypeError:  # a number beside lists
        return None
    kinds = set(map(type, flat))
    return Elements(tuple(shape), flat, kinds) if kinds <= NUMBERS else None


def _elements_of(value: object) -> Elements:
    shape: list[int] = []
    flat: list[Any] = [value]
    while (kinds := set(map(type, flat))) and type(flat[0]) is list:
        if kinds != {list}:
            raise InvalidRequestError(_at_the_wrong_level(flat, len(shape)))
        size = len(flat[0])
        if set(map(len, flat)) != {size}:
            other = next(len(each) for each in flat if len(each) != size)
            raise InvalidRequestError(
                f"Encountered list at unexpected size: {other} at level: {len(shape)} expected size: {size}"
            )
        shape.append(size)
        flat = list(chain.from_iterable(flat))
    if list in kinds:
        raise InvalidRequestError(
            f"Encountered list at unexpected level: {len(shape)} expected < {len(shape)}"
        )
    return Elements(tuple(shape), flat, kinds)


def numeric_array(elements: Elements, dtype: np.dtype[Any]) -> Array:
    """Numbers as an array; InvalidRequestError for more dimensions than numpy has, or a number beyond float64."""
    try:
        with np.errstate(over="ignore"):  # beyond float32's range is infinity there, as in TensorFlow Serving
            return np.fromiter(elements.flat, dtype, len(elements.flat)).reshape(elements.shape)
    except (OverflowError, ValueError) as error:
        raise InvalidRequestError(f"the numbers make no tensor: {error}") from error


def flattened(data: object) -> Elements:
    """The elements of lists that are nested in any way, as one row."""
    flat: list[Any] = data if isinstance(data, list) else [data]
    while list in (kinds := set(map(type, flat))):
        # Where elements stand beside lists, level by level would look at those elements once for every level.
        flat = list(_leaves(flat) if len(kinds) > 1 else chain.from_iterable(flat))
    return Elements((len(flat),), flat, kinds)


def _leaves(values: list[Any]) -> Iterator[Any]:
    open_lists = [iter(values)]
    while open_lists:
        for each in open_lists[-1]:
            if type(each) is list:
                open_lists.append(iter(each))
                break
            yield each
        else:
            open_lists.pop()


def check_kinds(elements: Elements, allowed: AbstractSet[type], expected: str) -> None:
    """InvalidRequestError, which shows the first element that has another type, and says what was expected."""
    if not elements.kinds <= allowed:
        odd = next(each for each in elements.flat if type(each) not in allowed)
        raise InvalidRequestError(f"{shown(odd)} Type: {json_type(odd)} is not of expected type: {expected}")


def shown(value: object) -> str:
    """``JSON Value: `` and the value, cut if it is long."""
    try:
        text = encode(value).decode()
    except (msgspec.MsgspecError, OverflowError, ValueError):  # a whole number that no JSON parser reads back
        text = "..."
    cut = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
    return f"JSON Value: {cut}"


def json_type(value: object) -> str:
    """What RapidJSON calls the type of a value."""
    if isinstance(value, bool):
        return str(value)
    return _JSON_TYPES.get(type(value), "Number")


def _at_the_wrong_level(flat: list[Any], level: int) -> str:
    rank, first = level, flat[0]
    while isinstance(first, list) and first:
        rank, first = rank + 1, first[0]
    odd = next(each for each in flat if not isinstance(each, list))
    return f"{shown(odd)} found at incorrect level: {level + 1} in the JSON DOM. Expected at level: {rank}"
