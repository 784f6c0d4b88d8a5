"""A single-shot detector's raw outputs to boxes, scores and classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from accelserve.kernels.native.compiled import ArrayFunction
from accelserve.kernels.postprocess.anchors import anchor_boxes
from accelserve.kernels.postprocess.errors import TensorShapeError
from accelserve.kernels.postprocess.spec import DetectionSpec

F32 = npt.NDArray[np.float32]

_DETECT = ArrayFunction(
    "accelserve.kernels.postprocess.arithmetic", "detect",
    "f32[2]", "f32[2]", "f32[2]", "i64", "f32", "f32", "f32", "f32", "f32", "i64", "i64",
    "i64[1]", "i64[1]", "i64[1]", "f32[1]", "f64[1]", "f32[1]", "i64[1]", "f32[1]",
    "f32[2]", "f32[1]", "f32[1]", returns=True,
)  # fmt: skip
FUNCTIONS = (_DETECT,)
"""The compiled functions that detection needs."""


@dataclasses.dataclass(frozen=True, slots=True)
class Detections:
    """What was found in N pictures, in the layout of TensorFlow's object detection models.

    Attributes:
        boxes: float32 [N, most, 4], ``ymin, xmin, ymax, xmax`` relative to the picture, in 0..1.
        scores: float32 [N, most], falling.
        classes: float32 [N, most], the index of the class among the logits.
        count: float32 [N]; rows from there on are zeros.
    """

    boxes: F32
    scores: F32
    classes: F32
    count: F32

    def as_outputs(self) -> dict[str, F32]:
        """The tensors under TensorFlow's names."""
        return {
            "detection_boxes": self.boxes,
            "detection_scores": self.scores,
            "detection_classes": self.classes,
            "num_detections": self.count,
        }


class Detector:
    """Decode, threshold, and suppress overlapping boxes of a class, as one description says.

    For every picture:

    1. probabilities: ``softmax`` of the logits; classes above the score threshold, except the background, are
       candidates;
    2. candidates are taken by falling probability (equal ones: the lower anchor, then the lower class first), until
       ``candidates`` are taken, of each class or in all;
    3. box: ``center = offset * center_variance * anchor size + anchor center``, ``size = exp(min(offset *
       size_variance, limit)) * anchor size``, corners ``center -+ size / 2``, clipped to the picture;
    4. a candidate stands unless a better one of its class overlaps it by more than the threshold (intersection over
       union); at most ``max_detections`` stand.

    Float32, each operation rounded; the exponential is computed in float64 by our own series, so the same input gives
    the same bytes on every machine. Safe to use from several threads at once.

    Args:
        spec: the description.
    """

    def __init__(self, spec: DetectionSpec) -> None:
        self.spec = spec
        self._anchors = anchor_boxes(spec)

    def run(self, logits: F32, offsets: F32) -> Detections:
        """Detections from outputs that are joined over the grids.

        Args:
            logits: float32 [N, anchors, classes].
            offsets: float32 [N, anchors, 4], of centre x and y, width and height.

        Raises:
            TensorShapeError: if a shape does not fit the description.
        """
        spec, pictures = self.spec, logits.shape[0] if logits.ndim else 0
        _require_shape("class logits", logits, (pictures, spec.anchors, spec.classes))
        _require_shape("box offsets", offsets, (pictures, spec.anchors, 4))
        logits = np.ascontiguousarray(logits, np.float32)
        offsets = np.ascontiguousarray(offsets, np.float32)
        found = Detections(
            boxes=np.zeros((pictures, spec.max_detections, 4), np.float32),
            scores=np.zeros((pictures, spec.max_detections), np.float32),
            classes=np.zeros((pictures, spec.max_detections), np.float32),
            count=np.zeros(pictures, np.float32),
        )
        for i in range(pictures):
            found.count[i] = self._detect_one(
                logits[i], offsets[i], found.boxes[i], found.scores[i], found.classes[i]
            )
        return found

    def run_layers(self, logits: Sequence[F32], offsets: Sequence[F32]) -> Detections:
        """Detections from one pair of outputs for each grid, as networks emit them.

        Args:
            logits: for each layer, float32 [N, rows, columns, anchors per cell, classes] or any shape with the same
                values in that order, such as [N, rows, columns, anchors per cell * classes].
            offsets: for each layer, likewise with 4 instead of classes.

        Raises:
            TensorShapeError: if a layer is missing or has another number of values.
        """
        return self.run(
            self._joined("class logits", logits, self.spec.classes), self._joined("box offsets", offsets, 4)
        )

    @staticmethod
    def load_code(cache: Path | None = None) -> None:
        """Compile, or read from ``cache``, and run nothing."""
        for each in FUNCTIONS:
            each.load(cache)

    def warm_up(self, cache: Path | None = None) -> None:
        """Compile, or read from ``cache``, so that the first request is as fast as the rest."""
        self.load_code(cache)
        spec = self.spec
        self.run(
            np.zeros((1, spec.anchors, spec.classes), np.float32), np.zeros((1, spec.anchors, 4), np.float32)
        )

    def _joined(self, name: str, layers: Sequence[F32], values: int) -> F32:
        if len(layers) != len(self.spec.layers):
            raise TensorShapeError(
                name, (len(layers),), f"one tensor for each of {len(self.spec.layers)} layers"
            )
        joined = []
        for index, (tensor, layer) in enumerate(zip(layers, self.spec.layers, strict=True)):
            size = layer.anchors * values
            if tensor.ndim < 2 or tensor[:1].size not in (0, size):
                words = f"[N, {layer.rows}, {layer.columns}, {layer.anchors_per_cell}, {values}]"
                raise TensorShapeError(f"{name} of layer {index}", tensor.shape, words)
            joined.append(tensor.reshape(tensor.shape[0], layer.anchors, values))
        pictures = {tensor.shape[0] for tensor in joined}
        if len(pictures) != 1:
            raise TensorShapeError(
                name, tuple(sorted(pictures)), "the same number of pictures in every layer"
            )
        return np.concatenate(joined, axis=1)

    def _detect_one(self, logits: F32, offsets: F32, boxes: F32, scores: F32, classes: F32) -> int:
        spec = self.spec
        limit = np.inf if spec.size_exponent_limit is None else spec.size_exponent_limit
        most = logits.size
        return _DETECT(
            logits, offsets, self._anchors, spec.background_class,
            spec.center_variance, spec.size_variance, limit, spec.score_threshold, spec.iou_threshold,
            spec.candidates, spec.candidates_scope == "class",
            np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.float32),
            np.empty(spec.classes, np.float64), np.empty(spec.classes, np.float32),
            np.zeros(spec.classes, np.int64), np.empty(4, np.float32),
            boxes, scores, classes,
        )  # fmt: skip


def _require_shape(name: str, tensor: F32, expected: tuple[int, ...]) -> None:
    if tensor.shape != expected:
        raise TensorShapeError(name, tensor.shape, f"[N, {expected[1]}, {expected[2]}] with one N for both")
