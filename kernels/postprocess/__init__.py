"""A network's raw outputs to what a user asked for: probabilities, rankings, detections."""

from accelserve.kernels.postprocess.anchors import anchor_boxes
from accelserve.kernels.postprocess.classification import softmax, top_k
from accelserve.kernels.postprocess.detector import Detections, Detector
from accelserve.kernels.postprocess.errors import DetectionSpecError, TensorShapeError
from accelserve.kernels.postprocess.presets import DETECTION_PRESETS
from accelserve.kernels.postprocess.spec import AnchorLayer, DetectionSpec

__all__ = [
    "DETECTION_PRESETS",
    "AnchorLayer",
    "DetectionSpec",
    "DetectionSpecError",
    "Detections",
    "Detector",
    "TensorShapeError",
    "anchor_boxes",
    "softmax",
    "top_k",
]
