"""``--outputs``: what a network that is read from a file shall answer with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def outputs_option(what: str) -> Callable[[F], F]:
    """Adds the option; the command gets ``outputs``, a tuple of names."""
    return click.option(
        "--outputs",
        multiple=True,
        metavar="NAME[,NAME]",
        callback=_names,
        help=f"{what}; repeatable, or separated by commas.",
    )


def _names(context: click.Context, parameter: click.Parameter, texts: Sequence[str]) -> tuple[str, ...]:
    del context, parameter
    return tuple(name for text in texts for name in text.split(",") if name)
