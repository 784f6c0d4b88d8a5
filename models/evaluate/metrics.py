"""Pure functions from answers to numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.postprocess import top_k

Floats = NDArray[np.float32]


def top_k_accuracy(scores: Floats, classes: Sequence[int], k: int) -> float:
    """Share of pictures whose class is among the k best; of equal scores the lower class is better.

    Args:
        scores: float32 [pictures, classes].
        classes: the right one of each picture.
        k: 1 or more.
    """
    best, _ = top_k(scores, k)
    return float(np.mean((best == np.asarray(classes)[:, None]).any(axis=1)))


def leads(scores: Floats) -> Floats:
    """How far the best score is above the second best, [pictures].

    Args:
        scores: float32 [pictures, classes], two classes or more.
    """
    ordered = np.partition(scores, -2, axis=1)
    return np.asarray(ordered[:, -1] - ordered[:, -2], np.float32)


def cosines(expected: Floats, found: Floats) -> NDArray[np.float64]:
    """Cosine of the angle between each pair of rows, [pictures]; 1 where both are zeros, 0 where one is."""
    a, b = (array.reshape(len(array), -1).astype(np.float64) for array in (expected, found))
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    products = np.einsum("ij,ij->i", a, b)
    same = (a == b).all(axis=1)
    return np.where(same, 1.0, np.divide(products, lengths, out=np.zeros(len(a)), where=lengths > 0))


def distance_error(expected: Floats, found: Floats) -> float:
    """How wrong cosine distances between pictures are: mean error over all pairs, relative to the mean distance.

    Args:
        expected: float32 features [pictures, channels], two pictures or more.
        found: the same pictures' features in the other network.

    Returns:
        0 where every distance is the same; NaN where all pictures are alike.
    """
    wanted, got = (_distances(features) for features in (expected, found))
    return float(np.abs(got - wanted).sum() / total) if (total := wanted.sum()) > 0 else float("nan")


def _distances(features: Floats) -> NDArray[np.float64]:
    """Of every pair: 1 less the cosine."""
    rows = features.astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    return np.asarray((1 - unit @ unit.T)[np.triu_indices(len(rows), 1)])


@dataclass(frozen=True, slots=True)
class Box:
    """An object in a picture.

    Attributes:
        kind: index of its class.
        corners: ``ymin, xmin, ymax, xmax``, relative to the picture.
        score: of a detection; 1 for the truth.
    """

    kind: int
    corners: tuple[float, float, float, float]
    score: float = 1.0


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes; 0 if either is empty."""
    top, left = max(a.corners[0], b.corners[0]), max(a.corners[1], b.corners[1])
    bottom, right = min(a.corners[2], b.corners[2]), min(a.corners[3], b.corners[3])
    shared = max(0.0, bottom - top) * max(0.0, right - left)
    union = _area(a) + _area(b) - shared
    return shared / union if union > 0 else 0.0


def _area(box: Box) -> float:
    top, left, bottom, right = box.corners
    return max(0.0, bottom - top) * max(0.0, right - left)


def mean_average_precision(
    truth: Mapping[str, Sequence[Box]], found: Mapping[str, Sequence[Box]], least_overlap: float = 0.5
) -> float:
    """PASCAL VOC's mAP (2010 and later): the area under the interpolated precision, averaged over the truth's classes.

    A detection is right if it overlaps an object of its class that no better detection of the picture took.

    Args:
        truth: picture -> its objects; pictures without objects count through false detections.
        found: picture -> detections; of pictures that ``truth`` has.
        least_overlap: intersection over union from which a detection counts.

    Returns:
        0..1; nan if the truth holds no object.
    """
    kinds = sorted({box.kind for boxes in truth.values() for box in boxes})
    if not kinds:
        return float("nan")
    return float(np.mean([_average_precision(kind, truth, found, least_overlap) for kind in kinds]))


def _average_precision(
    kind: int, truth: Mapping[str, Sequence[Box]], found: Mapping[str, Sequence[Box]], least_overlap: float
) -> float:
    objects = {picture: [box for box in boxes if box.kind == kind] for picture, boxes in truth.items()}
    taken = {picture: [False] * len(boxes) for picture, boxes in objects.items()}
    ranked = sorted(
        ((box, picture) for picture in truth for box in found.get(picture, ()) if box.kind == kind),
        key=lambda pair: -pair[0].score,
    )
    right = np.zeros(len(ranked))
    for rank, (box, picture) in enumerate(ranked):
        overlaps = [overlap(box, candidate) for candidate in objects[picture]]
        best = int(np.argmax(overlaps)) if overlaps else -1
        if best >= 0 and overlaps[best] >= least_overlap and not taken[picture][best]:
            taken[picture][best] = True
            right[rank] = 1
    return _area_under(np.cumsum(right), sum(map(len, objects.values())))


def _area_under(right: NDArray[np.float64], objects: int) -> float:
    if not right.size:
        return 0.0
    recall = np.concatenate([[0.0], right / objects])
    precision = right / np.arange(1, right.size + 1)
    # Interpolated: the best precision at this recall or a greater one.
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall) * best))
