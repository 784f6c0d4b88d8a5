"""What a server answered for one picture: as lines of a table, and as a line of JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelserve.server.cli.detections import are_detections, detections_of, image_size
from accelserve.server.cli.tables import print_rows

Row = tuple[str, str, str, str, str]
_FEATURES = "features"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and how long it took.

    Attributes:
        path: of the picture, as it was named.
        outputs: arrays by name, without the batch.
        milliseconds: from sending it to having read the answer.
        model: name that the server gives itself.
        version: of the model; None if the server does not say.
        signature: that was asked for; empty is serving_default.
    """

    path: Path
    outputs: Mapping[str, NDArray[Any]]
    milliseconds: float
    model: str
    version: int | None
    signature: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What of an answer is shown.

    Attributes:
        names: of the classes; empty where they are not known.
        top: classes or, in the table, detections.
        min_score: of a detection.
    """

    names: Sequence[str]
    top: int
    min_score: float


def rows_of(answer: Answer, shown: Shown) -> list[Row]:
    """The table's lines for one picture; what repeats the line above is left empty."""
    results: list[tuple[str, str, str]]
    if are_detections(answer.outputs):
        size = image_size(answer.path)
        found = detections_of(answer.outputs, shown.names, size, shown.min_score)
        results = [("detections", str(each), f"{each.score:.4f}") for each in found[: shown.top]]
        results = results or [("detections", f"none of {shown.min_score:g} or more", "")]
    else:
        results = [
            (output, result, score)
            for output, array in answer.outputs.items()
            for result, score in _results_of(answer, output, array, shown)
        ]
    rows = []
    for row, (output, result, score) in enumerate(results):
        repeated = row > 0 and output == results[row - 1][0]
        first = (answer.path.name, f"{answer.milliseconds:.1f}") if row == 0 else ("", "")
        rows.append((first[0], "" if repeated else output, result, score, first[1]))
    return rows


def print_table(rows: Sequence[Row]) -> None:
    """Print lines of picture, output, result, score and milliseconds, folded where the terminal is too narrow."""
    print_rows(["picture", "output", "result"], ["score", "ms"], rows)


def json_line(answer: Answer, shown: Shown) -> str:
    """One line of JSON, as the C# client's sample prints it.

    ``picture``, ``milliseconds``, ``model``, ``version``, and ``detections`` (boxes as top, left, bottom, right, 0..1) or
    ``outputs``, each with its ``shape`` and, if it is a vector of scores, its ``best`` classes.
    """
    document: dict[str, object] = {
        "picture": str(answer.path),
        "milliseconds": round(answer.milliseconds, 3),
        "model": answer.model,
    }
    if answer.version is not None:
        document["version"] = answer.version
    if are_detections(answer.outputs):
        # Of a picture of one by one pixel, so that places are shares.
        found = detections_of(answer.outputs, shown.names, (1, 1), shown.min_score)
        document["detections"] = [
            {
                "class": each.class_index,
                "label": each.name,
                "score": _number(each.score),
                "box": [_number(each.box[edge]) for edge in (1, 0, 3, 2)],
            }
            for each in found
        ]
    else:
        document["outputs"] = {
            output: _output_document(answer, output, array, shown) for output, array in answer.outputs.items()
        }
    return json.dumps(document, ensure_ascii=False, allow_nan=False)


def _output_document(answer: Answer, output: str, array: NDArray[Any], shown: Shown) -> dict[str, object]:
    document: dict[str, object] = {"shape": list(array.shape)}
    if _are_scores(answer, output, array, shown.names):
        document["best"] = [
            {"class": index, "label": label, "score": _number(score)}
            for index, label, score in _best(array, shown)
        ]
    return document


def _number(value: float) -> float | None:
    """In the fewest digits that say which float32 it is; None for what JSON has no number for."""
    return float(str(np.float32(value))) if math.isfinite(value) else None


def _results_of(answer: Answer, output: str, array: NDArray[Any], shown: Shown) -> list[tuple[str, str]]:
    """The best classes of a vector of scores as (label, score); for any other array its shape and range."""
    if _are_scores(answer, output, array, shown.names):
        return [(label, f"{score:.4f}") for _, label, score in _best(array, shown)]
    described = f"{array.dtype.name} {list(array.shape)}"
    if array.size == 0 or not np.issubdtype(array.dtype, np.number):
        return [(described, "")]
    return [(f"{described}, {float(array.min()):.4g} to {float(array.max()):.4g}", "")]


def _are_scores(answer: Answer, output: str, array: NDArray[Any], names: Sequence[str]) -> bool:
    """Whether it has a number for each class; features are a vector too, but of nothing that has a name."""
    scores = np.squeeze(array)
    return (
        _FEATURES not in (output, answer.signature)
        and scores.ndim == 1
        and np.issubdtype(scores.dtype, np.floating)
        and (scores.size == len(names) or not names)
    )


def _best(array: NDArray[Any], shown: Shown) -> list[tuple[int, str, float]]:
    """(class, label, score) of the best; equal ones stay in the order of the classes."""
    scores = np.squeeze(array)
    best: list[int] = np.argsort(-scores, kind="stable")[: shown.top].tolist()
    return [(i, shown.names[i] if shown.names else f"class {i}", scores[i]) for i in best]
