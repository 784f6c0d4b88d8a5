"""Files that a command writes at its end: refused at its beginning if that could not be, and written whole or not at all."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

import click


def writable(context: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
    """The path as it is, for a callback; click.BadParameter if it could not be written in the end."""
    if path is None or str(path) == "-":
        return path
    if _is_stream(path):
        if not os.access(path, os.W_OK):
            raise click.BadParameter(f"'{path}' cannot be written", context, parameter)
    elif not os.access(path.resolve().parent, os.W_OK):
        raise click.BadParameter(f"'{path.parent}' is no folder that can be written", context, parameter)
    return path


def write_whole(path: Path, text: str) -> None:
    """Write a file in UTF-8, so that it is there whole or, as before, not at all; into a pipe or a device as it comes.

    Raises:
        OSError: it cannot be written; ``filename`` says which.
    """
    target = path.resolve()
    partial = target.with_name(f".{secrets.token_hex(8)}.partial")
    try:
        if _is_stream(path):
            path.write_text(text, encoding="utf-8")
        else:
            partial.write_text(text, encoding="utf-8")
            partial.replace(target)
    except OSError as error:
        error.filename = str(path)
        raise
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _is_stream(path: Path) -> bool:
    """A terminal, a pipe or a device, or what /dev/stdout stands for: nothing that another file may take the place of."""
    return path.is_relative_to("/dev") or (path.exists() and not path.is_file())
