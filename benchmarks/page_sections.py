"""What programs write into documents, each between two markers of its own."""

from __future__ import annotations

import re
from pathlib import Path

PERFORMANCE_PAGE = Path("docs/performance.md")
END = "<!-- end of what is written -->"


def begin_of(module: str) -> str:
    """The line behind which a module's text begins; it ends at the next ``END``."""
    return f"<!-- written by {module} -->"


def rewrite(page: Path, module: str, text: str) -> None:
    """Put a module's text into the page, instead of what it wrote before; SystemExit if the page has no place for it."""
    begin, whole = begin_of(module), page.read_text("utf-8")
    between = re.compile(f"{re.escape(begin)}.*?{re.escape(END)}", re.DOTALL)
    if not between.search(whole):
        raise SystemExit(f"{page} has no lines '{begin}' and '{END}'")
    page.write_text(between.sub(lambda _: f"{begin}\n\n{text}\n\n{END}", whole, count=1), "utf-8")
