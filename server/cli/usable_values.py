"""What no flag and no argument of any command takes, since nothing behind it could carry it."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

import click

_INT64 = 2**63

Callback = Callable[[click.Context, click.Parameter, Any], Any]


def refuse_unusable(command: click.Command) -> None:
    """Let a command refuse text that is no UTF-8, numbers beyond 64 bits, and floats that are no number.

    Protocol buffers, JSON and gRPC's headers carry none of them, and each fails in a way of its own. Paths are whatever
    bytes the file system has, so they are left as they are.

    Args:
        command: changed in place; to be called once.
    """
    for parameter in command.params:
        parameter.callback = _checking(parameter.callback)


def _checking(then: Callback | None) -> Callback:
    def check(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
        if not isinstance(parameter.type, click.Path | click.File):
            for each in value if isinstance(value, tuple | list) else (value,):
                if fault := _fault(each):
                    raise click.BadParameter(fault, context, parameter)
        return value if then is None else then(context, parameter, value)

    return check


def _fault(value: object) -> str | None:
    """What is wrong with a value, in words; None if nothing is."""
    if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        return f"expected text in UTF-8, got the bytes {os.fsencode(value)!r}"
    if isinstance(value, float) and math.isnan(value):
        return "expected a number, got nan"
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        return f"expected a number of 64 bits, got {value}"
    return None
