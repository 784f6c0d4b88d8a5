"""Text that somebody else wrote, made fit for a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """Text that somebody else wrote, on one line, with what a terminal would obey written as escapes."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape", "surrogatepass").decode()
        for each in text
    )
