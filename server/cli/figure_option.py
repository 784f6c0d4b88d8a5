"""``--figure``: a drawing beside the numbers, whose needs are checked before the work starts."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def figure_option(what: str) -> Callable[[F], F]:
    """Adds the option; the command gets ``figure``, a path that can be drawn to, or None."""
    return click.option(
        "--figure",
        type=click.Path(dir_okay=False, path_type=Path),
        callback=_drawable,
        help=f"{what}: .png, .svg or .pdf to write.",
    )


def _drawable(context: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
    """The path as it is.

    Raises:
        ModuleNotFoundError: matplotlib is missing.
        click.BadParameter: the suffix says no format, or the folder is not there or not writable.
    """
    if path is None:
        return None
    from matplotlib.backend_bases import FigureCanvasBase

    formats = FigureCanvasBase.get_supported_filetypes()
    if path.suffix.lstrip(".").lower() not in formats:
        known = ", ".join(f".{name}" for name in sorted(formats))
        raise click.BadParameter(f"'{path}' ends in none of {known}", context, parameter)
    if not os.access(path.parent, os.W_OK):
        raise click.BadParameter(f"'{path.parent}' is no folder that can be written", context, parameter)
    return path
