"""JSON and base64 as TensorFlow Serving reads them, which is more than their standards have. Pure.

Sources: ``ParseJson`` in ``util/json_tensor.cc`` of tensorflow/serving, and ``absl::Base64Unescape``.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import TypeVar

import msgspec

from accelserve.server.errors import InvalidRequestError

T = TypeVar("T")
# Strings are matched first, so that what they hold is left alone; one without an end is matched as well, or the search
# would begin anew at each of its quotes.
_NUMBER_WORDS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|-?Inf(?:inity)?|-NaN', re.DOTALL)
_WORDS_OF_PYTHON = {"Inf": "Infinity", "-Inf": "-Infinity", "-NaN": "NaN"}


def decode_json(body: bytes, decoder: msgspec.json.Decoder[T], *, text_behind: bool = True) -> T:
    """JSON as a struct, read as TensorFlow Serving reads it, which is more than RFC 8259 has.

    NaN, Inf, Infinity and their negatives are numbers, and a UTF-8 byte order mark may stand in front.

    Args:
        body: the text, in UTF-8.
        decoder: of a msgspec.Struct, or what else msgspec decodes. It is made when its module is imported: msgspec fills
            in what it knows of a type at its first use, and a second thread that decodes meanwhile reads what is not
            there yet (msgspec 0.22 dies of it).
        text_behind: whether anything may follow the value; it is then ignored.

    Raises:
        InvalidRequestError: no JSON, or not of that form.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise InvalidRequestError(f"JSON Parse error: {error}") from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        lenient = _lenient(body, text_behind=text_behind)
        if lenient is None:
            raise InvalidRequestError(f"JSON Parse error: {error or 'nested too deeply'}") from error
    try:
        return msgspec.convert(lenient, decoder.type)
    except msgspec.ValidationError as error:
        raise InvalidRequestError(f"JSON Parse error: {error}") from error


def _lenient(body: bytes, *, text_behind: bool) -> object | None:
    """The body by Python's own parser, which can be taught more; None if it is no JSON to it either."""
    try:
        # What follows the value may be of any encoding; the value itself may not.
        text = body.decode("utf-8-sig", errors="surrogateescape").lstrip(" \t\r\n")
        if "Inf" in text or "-NaN" in text:
            text = _NUMBER_WORDS.sub(lambda match: _WORDS_OF_PYTHON.get(match[0], match[0]), text)
        parsed: object
        parsed, end = json.JSONDecoder().raw_decode(text)
        read = text[:end]
        read.encode()
        if "\\u" in read:  # an escape may be half of a surrogate pair, which no UTF-8 can hold
            json.dumps(parsed, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    if not text_behind and text[end:].strip(" \t\r\n"):
        return None
    return parsed


def from_base64(text: str) -> bytes:
    """Base64 as TensorFlow Serving takes it: ``absl::Base64Unescape``; binascii.Error for anything else.

    White space may stand anywhere. The padding is all there or not at all, and ``.`` does for ``=``.
    """
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:  # binascii's is one; not what the standard has
        return _lenient_base64(text)


def _lenient_base64(text: str) -> bytes:
    try:
        signs = b"".join(text.encode("ascii").split())
    except UnicodeEncodeError as error:
        raise binascii.Error("only ASCII characters are allowed") from error
    unpadded = signs.rstrip(b"=.")
    missing, padding = -len(unpadded) % 4, len(signs) - len(unpadded)
    if padding not in (0, missing):
        raise binascii.Error(f"{padding} signs of padding where there are {missing}, or none")
    return base64.b64decode(unpadded + b"=" * missing, validate=True)
