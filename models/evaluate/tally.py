"""Keeps what an evaluation needs of every picture's answers, and no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.ir import Array
from accelserve.models.evaluate.metrics import (
    Box,
    cosines,
    distance_error,
    leads,
    mean_average_precision,
    top_k_accuracy,
)
from accelserve.models.evaluate.report import CLEAR_LEAD, Accuracy, Agreement, DetectionAccuracy
from accelserve.models.evaluate.truth import Truth
from accelserve.models.quantize.comparison import Comparison
from accelserve.models.repository import FEATURES, tensor_name

Floats = NDArray[np.float32]
Results = Mapping[str, Array]

SURE = 0.5
"""Score from which a detection of the original counts as the truth, where agreement is asked for."""

MOST_PAIRED = 512
"""Pictures whose distances from each other are looked at: the first ones."""

_FEATURES = tensor_name(FEATURES)
_DETECTIONS = tuple(
    tensor_name(name)
    for name in ("detection_boxes", "detection_scores", "detection_classes", "num_detections")
)
_OVERLAPS = tuple(0.5 + 0.05 * step for step in range(10))


class Tally:
    """Answers of servable and original, picture by picture.

    Args:
        scores: tensor name of a classifier's scores, or None.
        truth: what is known of the pictures.
        detects: whether results hold detections.
    """

    def __init__(self, scores: str | None, truth: Truth, *, detects: bool) -> None:
        self._scores_name = scores
        self._truth = truth
        self._detects = detects
        self._names: list[str] = []
        self._scores: list[tuple[Floats, Floats | None]] = []
        self._cosines: list[float] = []
        self._features: list[tuple[Floats, Floats]] = []
        self._boxes: dict[str, tuple[list[Box], list[Box] | None]] = {}
        self._outputs: dict[str, Comparison] = {}

    @property
    def pictures(self) -> int:
        """How many were added."""
        return len(self._names)

    def add(self, name: str, found: Results, expected: Results | None) -> None:
        """Keep one picture's answers.

        Args:
            name: of the picture, as in the truth.
            found: tensor name -> array [1, ...] of the servable.
            expected: likewise of the original; None without one.
        """
        self._names.append(name)
        if self._scores_name is not None:
            scores = None if expected is None else _row(expected[self._scores_name])
            self._scores.append((_row(found[self._scores_name]), scores))
        if self._detects:
            self._boxes[name] = boxes_of(found), None if expected is None else boxes_of(expected)
        if expected is not None:
            self._compare(found, expected)

    def _compare(self, found: Results, expected: Results) -> None:
        if _FEATURES in found and _FEATURES in expected:
            self._cosines.append(float(cosines(expected[_FEATURES], found[_FEATURES])[0]))
            if len(self._features) < MOST_PAIRED:
                self._features.append((expected[_FEATURES].reshape(-1), found[_FEATURES].reshape(-1)))
        for name in sorted(found.keys() - set(_DETECTIONS)):
            self._outputs.setdefault(name, Comparison()).add(expected[name], found[name])

    def accuracy(self) -> Accuracy | None:
        """Against the classes of the truth; None if it has none, or this is no classifier."""
        known = [i for i, name in enumerate(self._names) if name in self._truth.classes]
        if not known or not self._scores:
            return None
        classes = [self._truth.classes[self._names[i]] for i in known]
        found = np.stack([self._scores[i][0] for i in known])
        originals = [scores for i in known if (scores := self._scores[i][1]) is not None]
        expected = np.stack(originals) if originals else None
        many = found.shape[1] > 5
        return Accuracy(
            pictures=len(known),
            top1=top_k_accuracy(found, classes, 1),
            top5=top_k_accuracy(found, classes, 5) if many else None,
            float_top1=None if expected is None else top_k_accuracy(expected, classes, 1),
            float_top5=top_k_accuracy(expected, classes, 5) if expected is not None and many else None,
        )

    def detection_accuracy(self) -> DetectionAccuracy | None:
        """Against the objects of the truth; None if it has none, or this is no detector."""
        truth = {name: boxes for name, boxes in self._truth.objects.items() if name in self._boxes}
        if not any(truth.values()):
            return None
        found = {name: self._boxes[name][0] for name in truth}
        expected = {name: boxes for name in truth if (boxes := self._boxes[name][1]) is not None}
        compared = len(expected) == len(truth)
        return DetectionAccuracy(
            pictures=len(truth),
            map50=mean_average_precision(truth, found),
            map50_95=_averaged(truth, found),
            float_map50=mean_average_precision(truth, expected) if compared else None,
            float_map50_95=_averaged(truth, expected) if compared else None,
        )

    def agreement(self) -> Agreement:
        """With the original; every picture was added with its answers."""
        top1 = top5 = lost = difference = clear = clear_top1 = None
        if self._scores:
            found = np.stack([scores for scores, _ in self._scores])
            expected = np.stack([scores for _, scores in self._scores if scores is not None])
            best = np.argmax(expected, axis=1).tolist()
            top1 = top_k_accuracy(found, best, 1)
            top5 = top_k_accuracy(found, best, 5) if found.shape[1] > 5 else None
            sure = leads(expected) >= CLEAR_LEAD
            clear = int(sure.sum())
            clear_top1 = top_k_accuracy(found[sure], np.asarray(best)[sure].tolist(), 1) if clear else None
            rows = np.arange(len(expected))
            lost = float((expected[rows, best] - expected[rows, np.argmax(found, axis=1)]).max())
            difference = float(np.abs(found - expected).max())
        return Agreement(
            top1=top1,
            top5=top5,
            clear_pictures=clear,
            clear_top1=clear_top1,
            largest_lead_lost=lost,
            largest_difference=difference,
            feature_cosines=tuple(self._cosines),
            feature_distance_error=self._distance_error(),
            detection_map50=self._detection_agreement(),
            outputs_sqnr_db={name: sums.sqnr_db for name, sums in self._outputs.items()},
        )

    def _distance_error(self) -> float | None:
        if len(self._features) < 2:
            return None
        expected, found = (np.stack(each) for each in zip(*self._features, strict=True))
        return distance_error(expected, found)

    def _detection_agreement(self) -> float | None:
        if not self._boxes:
            return None
        truth = {
            name: [box for box in expected or () if box.score >= SURE]
            for name, (_, expected) in self._boxes.items()
        }
        return mean_average_precision(truth, {name: found for name, (found, _) in self._boxes.items()})


def boxes_of(results: Results) -> list[Box]:
    """Detections of one picture, from the tensors that a detection stage makes."""
    boxes, scores, kinds, count = (results[name][0] for name in _DETECTIONS)
    return [
        Box(int(kind), (float(box[0]), float(box[1]), float(box[2]), float(box[3])), float(score))
        for box, score, kind in zip(boxes, scores, kinds, strict=True)
    ][: int(count)]


def _averaged(truth: Mapping[str, Sequence[Box]], found: Mapping[str, Sequence[Box]]) -> float:
    return float(np.mean([mean_average_precision(truth, found, least) for least in _OVERLAPS]))


def _row(scores: Array) -> Floats:
    return np.asarray(scores[0], np.float32)
