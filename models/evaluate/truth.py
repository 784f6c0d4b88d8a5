"""What is in the pictures, as people say it: a class for each, or objects with boxes.

1. Classes, a CSV file: one line ``picture,class`` for each picture.
2. Objects, a JSON file: ``{"picture": [{"class": ..., "box": [ymin, xmin, ymax, xmax]}, ...], ...}``, box corners
   relative to the picture, 0 to 1.
3. No file: pictures that lie in folders named after the labels are of those classes.

``picture`` is a file's path from the folder of pictures, with ``/``; ``class`` is a label of the model (of ImageNet's also
the synset alone, ``n02123045``) or its number.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accelserve.models.errors import EvaluationError
from accelserve.models.evaluate.metrics import Box
from accelserve.models.labels import class_of


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known of the pictures.

    Attributes:
        classes: picture -> its class.
        objects: picture -> what is in it.
    """

    classes: Mapping[str, int] = field(default_factory=dict)
    objects: Mapping[str, Sequence[Box]] = field(default_factory=dict)


def read_truth(file: Path, labels: Sequence[str]) -> Truth:
    """The truth in a CSV or JSON file; see the module's docstring.

    Raises:
        EvaluationError: a line or an object breaks the format, or names a class that the model lacks.
        OSError: the file cannot be read.
    """
    text = file.read_text(encoding="utf-8-sig")
    if text.lstrip().startswith("{"):
        return _objects(file, text, labels)
    classes: dict[str, int] = {}
    for number, row in enumerate(csv.reader(text.splitlines(), skipinitialspace=True), start=1):
        if not row:
            continue
        if len(row) != 2:
            raise EvaluationError(
                f"{file}, line {number}: expected 'picture,class', got {','.join(row)[:80]!r}"
            )
        classes[row[0]] = class_number(row[1].strip(), labels, f"{file}, line {number}")
    return Truth(classes=classes)


def truth_of_folders(pictures: Sequence[str], labels: Sequence[str]) -> Truth:
    """The truth of pictures whose first folder is a label's name; none unless that holds for all of them."""
    folders = [picture.partition("/")[0] for picture in pictures]
    numbers = {name: class_of(name, labels) for name in set(folders)}
    classes = {
        p: number for p, name in zip(pictures, folders, strict=True) if (number := numbers[name]) is not None
    }
    return Truth(classes) if len(classes) == len(pictures) else Truth()


def class_number(text: str, labels: Sequence[str], where: str) -> int:
    """The class that a label or a number names; EvaluationError if there is none."""
    found = class_of(text, labels)
    if found is not None:
        return found
    if text.isdecimal() and (not labels or int(text) < len(labels)):
        return int(text)
    known = f"one of {len(labels)} labels or a number below {len(labels)}" if labels else "a number"
    raise EvaluationError(f"{where}: the class is {text[:80]!r}, expected {known}")


def _objects(file: Path, text: str, labels: Sequence[str]) -> Truth:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise EvaluationError(f"{file} is not JSON: {error}") from error
    return Truth(
        objects={
            picture: [_box(entry, labels, f"{file}, '{picture}'") for entry in _entries(entries, file)]
            for picture, entries in document.items()
        }
    )


def _entries(entries: object, file: Path) -> list[Any]:
    if not isinstance(entries, list):
        raise EvaluationError(f"{file}: expected a list of objects for each picture, got {entries!r:.80}")
    return entries


def _box(entry: Any, labels: Sequence[str], where: str) -> Box:
    corners = entry.get("box") if isinstance(entry, dict) else None
    if not isinstance(corners, list) or len(corners) != 4 or "class" not in entry:
        raise EvaluationError(f'{where}: expected {{"class": ..., "box": [4 numbers]}}, got {entry!r:.80}')
    try:
        top, left, bottom, right = (float(corner) for corner in corners)
    except (TypeError, ValueError):
        raise EvaluationError(f"{where}: a box is four numbers, got {corners!r:.80}") from None
    if not (0 <= top <= bottom <= 1 and 0 <= left <= right <= 1):
        raise EvaluationError(
            f"{where}: a box is ymin, xmin, ymax, xmax relative to the picture, got {corners}"
        )
    return Box(class_number(str(entry["class"]), labels, where), (top, left, bottom, right))
