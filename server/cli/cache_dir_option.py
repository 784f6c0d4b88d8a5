"""``--cache_dir``, the same for every command that keeps or finds something there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def cache_dir_option(command: F) -> F:
    """Adds ``--cache_dir``, which is for ``accelserve.server.cache_folder``."""
    option = click.option(
        "--cache_dir",
        type=click.Path(file_okay=False, path_type=Path),
        show_default="the user's cache folder",
        help="Packed weights and compiled code, shared with 'serve'; 'none' keeps nothing.",
    )
    return option(command)
