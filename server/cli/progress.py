"""How far long work is, on standard error: a bar on a terminal, elsewhere a line every few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

_LINE_SECONDS = 5.0
_MEGABYTE = 10**6

Advance = Callable[[int, int | None], None]
"""Takes how much is done, and of how much; None for who knows."""


@contextmanager
def image_progress(doing: str) -> Iterator[Callable[[int, int], None]]:
    """Gives a function that takes (pictures done, pictures in all)."""
    with _shown((*Progress.get_default_columns(), MofNCompleteColumn()), _of_images) as show:
        yield lambda done, total: show(doing, done, total)


@contextmanager
def stage_progress() -> Iterator[Callable[[str, int, int], None]]:
    """Gives a function that takes (what is done, how much of it is, how much it is in all)."""
    with _shown((*Progress.get_default_columns(), MofNCompleteColumn()), _of_images) as show:
        yield show


@contextmanager
def download_progress(name: str) -> Iterator[Advance]:
    """Gives a function that takes (bytes there, bytes in all or None)."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with _shown(columns, _of_bytes) as show:
        yield lambda done, total: show(name, done, total)


def _of_images(done: int, total: int | None) -> str:
    return f"{done}" if total is None else f"{done} of {total}"


def _of_bytes(done: int, total: int | None) -> str:
    there = f"{done / _MEGABYTE:.1f}"
    return f"{there} MB" if total is None else f"{there} of {total / _MEGABYTE:.1f} MB"


@contextmanager
def _shown(
    columns: tuple[str | ProgressColumn, ...], amount: Callable[[int, int | None], str]
) -> Iterator[Callable[[str, int, int | None], None]]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines(amount).show
        return
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=console, transient=True) as bar:

        def show(doing: str, done: int, total: int | None) -> None:
            if doing not in tasks:
                tasks[doing] = bar.add_task(doing)
            bar.update(tasks[doing], completed=done, total=total)

        yield show


class Lines:
    """A line of progress at most every few seconds, and none for work that is done before."""

    def __init__(
        self, amount: Callable[[int, int | None], str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._amount = amount
        self._clock = clock
        self._said = clock()

    def show(self, doing: str, done: int, total: int | None) -> None:
        """Write it down, if the last line is old enough."""
        now = self._clock()
        if now - self._said >= _LINE_SECONDS:
            self._said = now
            click.echo(f"{doing}: {self._amount(done, total)}", err=True)
