"""How far long work is, on standard error: a bar on a terminal, elsewhere a line every few seconds."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

_LINE_SECONDS = 5.0
_LINE_CHARACTERS = 80
_CODE_LOG = logging.getLogger("accelserve.kernels.native.machine_code")
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
def compile_progress() -> Iterator[None]:
    """Shows, while the block runs, how many functions it compiled: nobody knows beforehand how many there are."""
    columns = (TextColumn("{task.description}"), BarColumn(), _Functions(), TimeElapsedColumn())
    with _shown(columns, _of_functions) as show:
        counter = _Counter(lambda done: show("compiling", done, None))
        level = _CODE_LOG.level
        _CODE_LOG.setLevel(logging.INFO)
        _CODE_LOG.addHandler(counter)
        show("compiling", 0, None)
        try:
            yield
        finally:
            _CODE_LOG.removeHandler(counter)
            _CODE_LOG.setLevel(level)


class _Counter(logging.Handler):
    """Counts what the log of compiled functions says."""

    def __init__(self, report: Callable[[int], None]) -> None:
        super().__init__()
        self._report = report
        self._count = 0

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno == logging.INFO:
            self._count += 1
            self._report(self._count)


class _Functions(ProgressColumn):
    """How many there are so far."""

    def render(self, task: Task) -> Text:
        return Text(_of_functions(int(task.completed), None))


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


@contextmanager
def line_progress(doing: str) -> Iterator[Callable[[str], None]]:
    """Gives a function for the lines of another program, of which a terminal shows the last beside a spinner."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _line: None
        return
    with console.status(escape(doing)) as status:
        yield lambda line: status.update(f"{escape(doing)}: {escape(line[:_LINE_CHARACTERS])}")


Live = Callable[[str, float, float, str], None]
"""Takes what is done, for how many seconds, of how many, and what it has come to."""


@contextmanager
def live_progress() -> Iterator[Live]:
    """Gives a function for work whose length is known in seconds, and whose figures change while it is done."""
    said = ""

    def seconds(done: int, total: int | None) -> str:
        return f"{done} of {total} s{said}"

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"))
    console = Console(stderr=True)
    if not console.is_terminal:
        lines = Lines(seconds)

        def show_line(doing: str, done: float, total: float, found: str) -> None:
            nonlocal said
            said = f", {found}" if found else ""
            lines.show(doing, round(done), round(total))

        yield show_line
        return
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=console, transient=True) as bar:

        def show(doing: str, done: float, total: float, found: str) -> None:
            if doing not in tasks:
                tasks[doing] = bar.add_task(escape(doing), said="")
            bar.update(tasks[doing], completed=done, total=total, said=escape(found))

        yield show


def _of_images(done: int, total: int | None) -> str:
    return f"{done}" if total is None else f"{done} of {total}"


def _of_functions(done: int, _total: int | None) -> str:
    return f"{done} functions"


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
                tasks[doing] = bar.add_task(doing, total=total)
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
