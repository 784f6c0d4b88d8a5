"""Decoding of published detectors, by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from accelserve.kernels.postprocess.spec import AnchorLayer, DetectionSpec

_GRIDS = (38, 19, 10, 5, 3, 1)
_STEPS = (8.0, 16.0, 32.0, 64.0, 100.0, 300.0)
_FEW, _MANY = (2.0, 1 / 2), (2.0, 1 / 2, 3.0, 1 / 3)
_RATIOS = (_FEW, _MANY, _MANY, _MANY, _FEW, _FEW)


def _layers(grids: tuple[int, ...], sizes: tuple[tuple[float, float], ...]) -> tuple[AnchorLayer, ...]:
    return tuple(
        AnchorLayer(rows=grid, columns=grid, step=step, size=size, next_size=next_size, ratios=ratios)
        for grid, step, (size, next_size), ratios in zip(grids, _STEPS, sizes, _RATIOS, strict=True)
    )


DETECTION_PRESETS: Mapping[str, DetectionSpec] = MappingProxyType(
    {
        # SSD-VGG of the TensorFlow line (github.com/balancap/SSD-Tensorflow, nets/ssd_vgg_300.py), trained on Pascal
        # VOC, with the decoding that its users do at the client: probability above 0.5, the best 400 of the picture,
        # suppression at 0.45 within a class. Its first grid is 37 x 37 where the pools floor.
        "ssd-vgg-300": DetectionSpec(
            image_height=300,
            image_width=300,
            layers=_layers(
                (37, *_GRIDS[1:]),
                ((21, 45), (45, 99), (99, 153), (153, 207), (207, 261), (261, 315)),
            ),
            clip_anchors=False,
            classes=21,
            score_threshold=0.5,
            iou_threshold=0.45,
            candidates=400,
            candidates_scope="image",
            max_detections=400,
        ),
        # torchvision's ssd300_vgg16, trained on COCO: DefaultBoxGenerator(scales .07 .15 .33 .51 .69 .87 1.05),
        # BoxCoder(weights 10, 10, 5, 5) with its limit on the exponent, postprocess_detections' defaults.
        "ssd300-torch": DetectionSpec(
            image_height=300,
            image_width=300,
            layers=_layers(
                _GRIDS,
                ((21, 45), (45, 99), (99, 153), (153, 207), (207, 261), (261, 315)),
            ),
            clip_anchors=True,
            classes=91,
            size_exponent_limit=math.log(1000 / 16),
            score_threshold=0.01,
            iou_threshold=0.45,
            candidates=400,
            candidates_scope="class",
            max_detections=200,
        ),
    }
)
