"""The description of a single-shot detector's decoding: where its anchors lie and which boxes it keeps."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Literal, Self, get_args

from accelserve.kernels.postprocess.errors import DetectionSpecError

CandidatesScope = Literal["class", "image"]

_MOST_ANCHORS = 1_000_000
_MOST_CLASSES = 65_536


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AnchorLayer:
    """The anchors of one output grid.

    Attributes:
        rows: cells from top to bottom.
        columns: cells from left to right.
        step: distance between cells, in pixels of the network's input.
        size: side of the first square anchor, in pixels.
        next_size: the second square anchor has the side ``sqrt(size * next_size)``.
        ratios: width divided by height of each further anchor, whose area is ``size`` squared.

    Raises:
        DetectionSpecError: if a field breaks its rule.
    """

    rows: int
    columns: int
    step: float
    size: float
    next_size: float
    ratios: tuple[float, ...]

    def __post_init__(self) -> None:
        for field in ("rows", "columns"):
            _require_count(field, getattr(self, field), 1, 4096)
        for field in ("step", "size", "next_size"):
            object.__setattr__(self, field, _positive(field, getattr(self, field)))
        if not isinstance(self.ratios, (list, tuple)):
            raise DetectionSpecError("ratios", f"got {self.ratios!r}, expected a list of numbers.")
        object.__setattr__(self, "ratios", tuple(_positive("ratios", ratio) for ratio in self.ratios))

    @property
    def anchors_per_cell(self) -> int:
        """Anchors that share one centre."""
        return 2 + len(self.ratios)

    @property
    def anchors(self) -> int:
        """Anchors of the whole grid."""
        return self.rows * self.columns * self.anchors_per_cell


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DetectionSpec:
    """Everything that turns class logits and box offsets into detections.

    Attributes:
        image_height: rows of the network's input, in pixels.
        image_width: columns of the network's input, in pixels.
        layers: the output grids, in the order of the network's outputs.
        clip_anchors: whether anchors' widths and heights are limited to the picture's.
        classes: number of logits of an anchor, the background's included.
        background_class: the class that is no detection.
        center_variance: multiplies the offsets of the centre.
        size_variance: multiplies the offsets of width and height, before the exponential.
        size_exponent_limit: upper bound of that exponent; None for none.
        score_threshold: a detection's probability must exceed it.
        iou_threshold: of two boxes of a class that overlap by more, the less probable is dropped.
        candidates: most boxes that enter the suppression, the most probable first.
        candidates_scope: whether ``candidates`` counts for each ``class`` or for the whole ``image``.
        max_detections: most detections of a picture, and the length of the padded outputs.

    Raises:
        DetectionSpecError: if a field breaks its rule.
    """

    image_height: int
    image_width: int
    layers: tuple[AnchorLayer, ...]
    clip_anchors: bool
    classes: int
    background_class: int = 0
    center_variance: float = 0.1
    size_variance: float = 0.2
    size_exponent_limit: float | None = None
    score_threshold: float
    iou_threshold: float
    candidates: int
    candidates_scope: CandidatesScope
    max_detections: int

    def __post_init__(self) -> None:
        _require_count("image_height", self.image_height, 1, 65_536)
        _require_count("image_width", self.image_width, 1, 65_536)
        _require_count("classes", self.classes, 2, _MOST_CLASSES)
        _require_count("background_class", self.background_class, 0, self.classes - 1)
        _require_count("candidates", self.candidates, 1, _MOST_ANCHORS)
        _require_count("max_detections", self.max_detections, 1, 10_000)
        for field in ("center_variance", "size_variance"):
            object.__setattr__(self, field, _positive(field, getattr(self, field)))
        if self.size_exponent_limit is not None:
            limit = _positive("size_exponent_limit", self.size_exponent_limit)
            object.__setattr__(self, "size_exponent_limit", limit)
        for field in ("score_threshold", "iou_threshold"):
            object.__setattr__(self, field, _fraction(field, getattr(self, field)))
        if not isinstance(self.clip_anchors, bool):
            raise DetectionSpecError("clip_anchors", f"got {self.clip_anchors!r}, expected true or false.")
        if self.candidates_scope not in get_args(CandidatesScope):
            raise DetectionSpecError(
                "candidates_scope", f"got {self.candidates_scope!r}, expected class or image."
            )
        object.__setattr__(self, "layers", _layers(self.layers))

    @property
    def anchors(self) -> int:
        """Anchors of all layers."""
        return sum(layer.anchors for layer in self.layers)

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values, in the order of their definition."""
        document = dataclasses.asdict(self)
        document["layers"] = [{**layer, "ratios": list(layer["ratios"])} for layer in document["layers"]]
        return document

    @classmethod
    def from_json(cls, document: object) -> Self:
        """The description that ``to_json`` wrote.

        Args:
            document: a mapping of field names to JSON values; fields with a default may be absent.

        Raises:
            DetectionSpecError: on anything else, a field that does not exist, or a value that breaks its rule.
        """
        fields = _fields(cls, "detection", document)
        layers = fields["layers"]
        if not isinstance(layers, (list, tuple)):
            raise DetectionSpecError("layers", f"got {layers!r}, expected a list of objects.")
        fields["layers"] = tuple(AnchorLayer(**_fields(AnchorLayer, "layers", layer)) for layer in layers)
        return cls(**fields)


def _fields(owner: type[AnchorLayer | DetectionSpec], what: str, document: object) -> dict[str, Any]:
    if not isinstance(document, Mapping):
        raise DetectionSpecError(what, f"got {type(document).__name__}, expected a JSON object.")
    fields = {field.name: field for field in dataclasses.fields(owner)}
    unknown = sorted(str(name) for name in document if name not in fields)
    if unknown:
        raise DetectionSpecError(unknown[0], f"there is no such field; the fields are {', '.join(fields)}.")
    missing = [n for n, f in fields.items() if f.default is dataclasses.MISSING and n not in document]
    if missing:
        raise DetectionSpecError(missing[0], "the field is missing.")
    return dict(document)


def _layers(layers: object) -> tuple[AnchorLayer, ...]:
    if (
        not isinstance(layers, tuple)
        or not layers
        or not all(isinstance(each, AnchorLayer) for each in layers)
    ):
        raise DetectionSpecError("layers", "expected at least one AnchorLayer, in a tuple.")
    anchors = sum(layer.anchors for layer in layers)
    if anchors > _MOST_ANCHORS:
        raise DetectionSpecError("layers", f"they have {anchors} anchors and the limit is {_MOST_ANCHORS}.")
    return layers


def _require_count(field: str, value: object, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise DetectionSpecError(field, f"got {value!r}, expected a whole number from {least} to {most}.")


def _number(field: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise DetectionSpecError(field, f"got {value!r}, expected a finite number.")
    return float(value)


def _positive(field: str, value: object) -> float:
    number = _number(field, value)
    if not 1e-6 <= number <= 1e6:
        raise DetectionSpecError(field, f"got {value!r}, expected a number from 1e-6 to 1e6.")
    return number


def _fraction(field: str, value: object) -> float:
    number = _number(field, value)
    if not 0.0 <= number <= 1.0:
        raise DetectionSpecError(field, f"got {value!r}, expected a number from 0 to 1.")
    return number
