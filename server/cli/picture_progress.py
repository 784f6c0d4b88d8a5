"""A progress bar for pictures, on the terminal only: a log gets no empty lines of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress


@contextmanager
def picture_progress(doing: str) -> Iterator[Callable[[int, int], None]]:
    """Gives a function that takes (pictures done, pictures in all) and shows them on standard error."""
    console = Console(stderr=True)
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(doing, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
