"""What an evaluation found."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from accelserve.models.quantize.noise import LayerNoise


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Right answers of a classifier, as shares of the pictures whose class is known.

    Attributes:
        pictures: how many those are.
        top1, top5: of the servable; top5 is None where there are no more than five classes.
        float_top1, float_top5: of the float32 original; None without one.
    """

    pictures: int
    top1: float
    top5: float | None
    float_top1: float | None = None
    float_top5: float | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DetectionAccuracy:
    """Right answers of a detector.

    Attributes:
        pictures: those whose objects are known.
        map50: mean average precision at an overlap of 0.5.
        map50_95: averaged over overlaps of 0.5, 0.55 ... 0.95.
        float_map50, float_map50_95: of the float32 original; None without one.
    """

    pictures: int
    map50: float
    map50_95: float
    float_map50: float | None = None
    float_map50_95: float | None = None


CLEAR_LEAD = 0.05
"""Lead of the original's best score over its second from which its answer counts as clear."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Servable against float32 original, over all pictures.

    Attributes:
        top1: share of pictures with the same best class; None for other networks.
        top5: share of pictures whose float best class is among the servable's five best; None with fewer classes.
        clear_pictures: how many have an original whose best score leads its second by ``CLEAR_LEAD`` or more; None for
            other networks.
        clear_top1: share of those with the same best class; None if there are none.
        largest_lead_lost: where best classes differ: by how much the original scored its own above the servable's, at
            most; 0 where they never differ, None for other networks.
        largest_difference: of any score; None for other networks.
        feature_cosines: of the pooled features, one a picture, in the pictures' order; empty without features.
        feature_distance_error: how wrong the cosine distances between pictures' features are, relative to their mean;
            None without features or with a single picture.
        detection_map50: mAP of the servable's detections with the original's above score 0.5 as the truth.
        outputs_sqnr_db: output -> signal to quantization noise.
    """

    top1: float | None
    top5: float | None
    clear_pictures: int | None
    clear_top1: float | None
    largest_lead_lost: float | None
    largest_difference: float | None
    feature_cosines: tuple[float, ...]
    feature_distance_error: float | None
    detection_map50: float | None
    outputs_sqnr_db: dict[str, float]

    @property
    def mean_feature_cosine(self) -> float | None:
        """None without features."""
        return math.fsum(self.feature_cosines) / len(self.feature_cosines) if self.feature_cosines else None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """All of it.

    Attributes:
        model, version, device: what was evaluated, where.
        pictures: how many were used.
        skipped: (picture, reason) of those that could not be.
        accuracy, detection: against the truth; None where it is not known.
        agreement: against the original; None without one.
        layers: noise in the order of the network; empty without the original.
    """

    model: str
    version: int
    device: str
    pictures: int
    skipped: tuple[tuple[str, str], ...]
    accuracy: Accuracy | None
    detection: DetectionAccuracy | None
    agreement: Agreement | None
    layers: tuple[LayerNoise, ...]

    def worst_layers(self) -> list[LayerNoise]:
        """Layers by rising signal to noise ratio."""
        return sorted(self.layers, key=lambda layer: layer.sqnr_db)

    def to_json(self) -> dict[str, Any]:
        """Plain values; infinities and what is not a number become None, which JSON has."""
        document: dict[str, Any] = _plain(dataclasses.asdict(self))
        return document


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
