"""``--repository``: which models a command is about. One variable means it for every command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

VARIABLE = "ACCELSERVE_REPOSITORY"


def repository_option(what: str, **settings: Any) -> Callable[[F], F]:
    """Adds the option.

    Args:
        what: it may be, as a sentence.
        settings: further ones of ``click.option``; it is required unless ``default`` is among them.
    """
    required = "default" not in settings
    return click.option(
        "--repository", required=required, envvar=VARIABLE, help=f"{what} Also {VARIABLE}.", **settings
    )
