"""Reads a text-format protobuf file."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from google.protobuf import text_format
from google.protobuf.message import Message

from accelserve.server.errors import ConfigurationError

MessageT = TypeVar("MessageT", bound=Message)


def read_text_format(path: Path, kind: type[MessageT]) -> MessageT:
    """The file as a message; ConfigurationError with line and column if it is not one."""
    try:
        return text_format.Parse(path.read_text(encoding="utf-8"), kind())
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path} is not a {kind.DESCRIPTOR.full_name} in text format: {error}"
        ) from error
