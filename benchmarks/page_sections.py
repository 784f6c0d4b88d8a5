"""What programs write into documents, each between two markers of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from accelserve.kernels.cpu.microkernels.targets import INSTRUCTION_SETS

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


def of_instruction_sets(folder: Path, benchmark: str, part: Callable[[dict[str, Any], Path], str]) -> str:
    """A part for every results file of a benchmark that there is, an instruction set after the other.

    Args:
        folder: of the results files, ``BENCHMARK-ISA.json``.
        benchmark: ``make bench-BENCHMARK`` measures it.
        part: takes a file's content, and the file.
    """
    files = [folder / f"{benchmark}-{isa}.json" for isa in INSTRUCTION_SETS]
    parts = [part(json.loads(file.read_text("utf-8")), file) for file in files if file.exists()]
    return "\n\n".join(parts) or f"Not measured yet: `make bench-{benchmark}`."
