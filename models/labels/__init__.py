"""Names of the classes of published data sets, one text file each, one class a line; the line is the class.

``coco``: the 91 of Microsoft COCO's detection task, background first, ``N/A`` where the data set skips a number.
``imagenet``: the 1000 of ImageNet's classification task in the usual order (that of the synsets' numbers), WordNet's
number and then the name, since names alone repeat.
``voc``: the 21 of Pascal VOC, background first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

LISTS = ("coco", "imagenet", "voc")
"""Names of the lists."""

BACKGROUND = "background"

_SYNSET = re.compile(r"n\d{8}")


@cache
def label_list(name: str) -> tuple[str, ...]:
    """The names of a list in ``LISTS``; FileNotFoundError if there is no list of that name."""
    return tuple(files(__name__).joinpath(f"{name}.txt").read_text(encoding="utf-8").splitlines())


def label_list_for(name: str, classes: int) -> tuple[str, ...]:
    """A list, with the background in front where that makes it fit, as networks of TensorFlow-Slim count.

    Args:
        name: one of ``LISTS``.
        classes: that the network has.
    """
    names = label_list(name)
    if len(names) + 1 == classes and names[0] != BACKGROUND:
        return (BACKGROUND, *names)
    return names


def class_of(text: str, labels: Sequence[str]) -> int | None:
    """The number of the class that a text names: its label, or the synset in front of it; None if there is none."""
    if text in labels:
        return labels.index(text)
    if _SYNSET.fullmatch(text) is None:
        return None
    return next((number for number, label in enumerate(labels) if label.startswith(f"{text} ")), None)
