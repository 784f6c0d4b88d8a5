"""Names of the classes of published data sets, one text file each, one class a line; the line is the class.

``coco``: the 91 of Microsoft COCO's detection task, background first, ``N/A`` where the data set skips a number.
``voc``: the 21 of Pascal VOC, background first.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def label_list(name: str) -> tuple[str, ...]:
    """The names of a list, ``coco`` or ``voc``; FileNotFoundError if there is no list of that name."""
    return tuple(files(__name__).joinpath(f"{name}.txt").read_text(encoding="utf-8").splitlines())
