"""Detection behind a network: which outputs are class logits and box offsets, and what they become.

A manifest's ``detection`` is the JSON of a ``DetectionStage``: the fields of a ``DetectionSpec``, and ``logits`` and
``offsets``, the tensors that it reads. A servable has these signatures then:

===================  ===========================  ==============================
network answers      one pair of tensors a grid   one pair for all grids
===================  ===========================  ==============================
``serving_default``  the network's own tensors    detections
``detection``        detections                   detections
``raw``              (not there)                  the network's own tensors
===================  ===========================  ==============================

A network with a pair for each grid is one whose clients decode by themselves, as those of the Azure FPGA service do, and
they ask for no signature; who serves torchvision's network expects boxes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.ir import Array
from accelserve.kernels.postprocess import DetectionSpec, DetectionSpecError, Detector
from accelserve.models.repository import DETECTION, SERVING_DEFAULT, Signature, TensorSpec, tensor_name

RAW = "raw"
COORDINATES = 4

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionStage:
    """A description of decoding, and the tensors that it reads.

    Attributes:
        spec: anchors, thresholds, classes.
        logits: class logits: full names of one tensor a grid, or of one with the anchors of all grids.
        offsets: of the box offsets, likewise.
    """

    spec: DetectionSpec
    logits: tuple[str, ...]
    offsets: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """What a manifest holds."""
        return {**self.spec.to_json(), "logits": list(self.logits), "offsets": list(self.offsets)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """The stage that ``to_json`` wrote; DetectionSpecError names the field that breaks its rule."""
        fields = dict(document)
        names = {key: tensor_list(key, fields.pop(key, None)) for key in ("logits", "offsets")}
        return cls(spec=DetectionSpec.from_json(fields), **names)

    @property
    def joined(self) -> bool:
        """Whether one pair of tensors holds the anchors of all grids."""
        return len(self.logits) == 1 < len(self.spec.layers)

    def outputs(self) -> dict[str, TensorSpec]:
        """Alias -> tensor of what the stage makes, in the layout of TensorFlow's object detection models."""
        most = self.spec.max_detections
        shapes = {
            "detection_boxes": (-1, most, COORDINATES),
            "detection_scores": (-1, most),
            "detection_classes": (-1, most),
            "num_detections": (-1,),
        }
        return {
            alias: TensorSpec(name=tensor_name(alias), dtype="float32", shape=shape)
            for alias, shape in shapes.items()
        }

    def signatures(self, raw: Signature) -> dict[str, Signature]:
        """The table at the top of this file.

        Args:
            raw: the signature of the network's own outputs.
        """
        found = Signature(inputs=raw.inputs, outputs=self.outputs())
        if self.joined:
            return {SERVING_DEFAULT: found, DETECTION: found, RAW: raw}
        return {SERVING_DEFAULT: raw, DETECTION: found}


class DetectionRunner:
    """A stage, ready to run. Safe to use from several threads at once."""

    def __init__(self, stage: DetectionStage) -> None:
        self.stage = stage
        self.names = frozenset(spec.name for spec in stage.outputs().values())
        self._detector = Detector(stage.spec)

    def load_code(self, cache: Path | None) -> None:
        """Compile, or read from ``cache``, and run nothing."""
        self._detector.load_code(cache)

    def warm_up(self, cache: Path | None) -> None:
        """Compile, or read from ``cache``, so that the first request is as fast as the rest."""
        self._detector.warm_up(cache)

    def run(self, results: Mapping[str, Array]) -> dict[str, Array]:
        """Full tensor name -> array of the stage's outputs, from the network's outputs of the same pictures."""
        logits, offsets = (
            [cast("Floats", results[name]) for name in names]
            for names in (self.stage.logits, self.stage.offsets)
        )
        found = (
            self._detector.run(logits[0], offsets[0])
            if self.stage.joined
            else self._detector.run_layers(logits, offsets)
        )
        return {tensor_name(alias): array for alias, array in found.as_outputs().items()}


def tensor_list(key: str, value: object) -> tuple[str, ...]:
    """Full names of the tensors that a JSON list names; DetectionSpecError if it is none, or empty."""
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise DetectionSpecError(key, f"got {value!r}, expected a list of output names.")
    return tuple(tensor_name(str(name)) for name in value)
