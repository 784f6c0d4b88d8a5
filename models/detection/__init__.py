"""Detection behind a network: told by preset or JSON, found in the network's outputs, run for each request."""

from accelserve.models.detection.matching import detection_document, detection_stage
from accelserve.models.detection.stage import RAW, DetectionRunner, DetectionStage

__all__ = ["RAW", "DetectionRunner", "DetectionStage", "detection_document", "detection_stage"]
