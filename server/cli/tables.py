"""Tables as every command prints them: as wide as the terminal, or 80 columns, and folded where that is too narrow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from accelserve.server.cli.printable import printable


def print_rows(
    text: Sequence[str], numbers: Sequence[str], rows: Iterable[Sequence[str]], *, title: str = ""
) -> None:
    """Print a table; nothing of it is ever cut off.

    Args:
        text: headings of the columns on the left.
        numbers: headings of those behind, which are aligned to the right.
        rows: a string for each column.
        title: above the table.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title or None, title_justify="left")
    for heading in text:
        table.add_column(escape(heading), overflow="fold")
    for heading in numbers:
        table.add_column(escape(heading), overflow="fold", justify="right")
    for row in rows:
        table.add_row(*(escape(printable(each)) for each in row))
    Console().print(table)
