"""JSON bodies of ``:classify`` and ``:regress`` to tf.Examples, and their results back. Pure."""

from __future__ import annotations

import binascii
from typing import Any

import msgspec
import numpy as np

from accelserve.protos import tensorflow as tf
from accelserve.protos import tensorflow_serving as serving
from accelserve.server.errors import InvalidRequestError
from accelserve.server.rest.json_elements import json_type
from accelserve.server.rest.json_text import decode_json, from_base64
from accelserve.server.rest.numbers import shortest

_B64 = "b64"
_INT64_RANGE = range(-(2**63), 2**63)
_BYTES, _FLOAT, _INT64 = "bytes", "float", "int64"
_KINDS = {str: _BYTES, dict: _BYTES, float: _FLOAT, int: _INT64, bool: _INT64}


class ExamplesBody(msgspec.Struct, frozen=True, kw_only=True):
    """A request's JSON.

    Attributes:
        signature_name: empty means ``serving_default``.
        context: features that all examples share, or absent.
        examples: one object an example: feature -> value or list of values.
    """

    signature_name: str = ""
    context: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    examples: list[dict[str, Any]] | msgspec.UnsetType = msgspec.UNSET


_BODY = msgspec.json.Decoder(ExamplesBody)


def parse_examples(raw: bytes) -> tuple[str, serving.Input]:
    """Signature and examples of a body; InvalidRequestError if it is not such a body."""
    body = decode_json(raw, _BODY)
    if isinstance(body.examples, msgspec.UnsetType):
        raise InvalidRequestError("When method is classify, key 'examples' is expected and was not found")
    if not body.examples:
        raise InvalidRequestError("'examples' value is an empty array")
    examples = [_example(features) for features in body.examples]
    if isinstance(body.context, msgspec.UnsetType):
        return body.signature_name, serving.Input(example_list=serving.ExampleList(examples=examples))
    shared = serving.ExampleListWithContext(examples=examples, context=_example(body.context))
    return body.signature_name, serving.Input(example_list_with_context=shared)


def classification_body(result: serving.ClassificationResult) -> dict[str, object]:
    """``{"results": [[[label, score], ...], ...]}``."""
    return {"results": [_classes(row) for row in result.classifications]}


def regression_body(result: serving.RegressionResult) -> dict[str, object]:
    """``{"results": [value, ...]}``."""
    return {"results": _floats([entry.value for entry in result.regressions])}


def _classes(row: serving.Classifications) -> list[list[object]]:
    scores = _floats([entry.score for entry in row.classes])
    return [[entry.label, score] for entry, score in zip(row.classes, scores, strict=True)]


def _floats(values: list[float]) -> list[float]:
    return [float(value) for value in shortest(np.array(values, np.float32))]


def _example(features: dict[str, Any]) -> tf.Example:
    example = tf.Example()
    for name, value in features.items():
        _fill(example.features.feature[name], name, value if isinstance(value, list) else [value])
    return example


def _fill(feature: tf.Feature, name: str, values: list[Any]) -> None:
    """All values of a feature have one kind: bytes (text or base64), whole numbers (and truths), or decimals."""
    for value in values:
        if type(value) not in _KINDS:
            raise InvalidRequestError(
                f"Feature: {name} has element with unexpected JSON type: {json_type(value)}"
            )
    kind, *others = dict.fromkeys(_KINDS[type(value)] for value in values) or [_BYTES]
    if others:
        raise InvalidRequestError(f"Unexpected element type in feature: {name} expecting type: {kind}")
    if kind == _BYTES:
        feature.bytes_list.value.extend(_bytes(name, value) for value in values)
    elif kind == _FLOAT:
        feature.float_list.value.extend(values)
    elif any(value not in _INT64_RANGE for value in values):
        raise InvalidRequestError(f"Feature: {name} has uint64 element. Only int64 is supported.")
    else:
        feature.int64_list.value.extend(int(value) for value in values)


def _bytes(name: str, value: str | dict[str, Any]) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if set(value) != {_B64} or not isinstance(value[_B64], str):
        raise InvalidRequestError(f"Feature: {name} has element with unexpected JSON type: Object")
    try:
        return from_base64(value[_B64])
    except binascii.Error as error:
        raise InvalidRequestError(f"Feature: {name}: Unable to base64 decode: {error}") from error
