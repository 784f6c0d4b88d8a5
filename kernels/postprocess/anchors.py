"""Anchors (default boxes) of a single-shot detector."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from accelserve.kernels.postprocess.spec import AnchorLayer, DetectionSpec


def anchor_boxes(spec: DetectionSpec) -> npt.NDArray[np.float32]:
    """Centre and size of every anchor, relative to the picture.

    In cell (i, j) of a grid with step ``d``, on a picture of H x W pixels (SSD, arXiv 1512.02325, section 2.2):

    * centre: ``x = (j + 0.5) * d / W``, ``y = (i + 0.5) * d / H``;
    * first anchor: a square of side ``size``; second: of side ``sqrt(size * next_size)``;
    * one more for each ratio r: width ``size * sqrt(r)``, height ``size / sqrt(r)``, in pixels.

    Computed in float64 and rounded once.

    Returns:
        float32 [anchors, 4], ``x, y, width, height``; grid after grid, in a grid row by row, in a cell in the order
        above.

    Source: anchors of SSD-Tensorflow's ``ssd_anchor_one_layer`` and torchvision's ``DefaultBoxGenerator``, which agree
    except for the clipping of sizes to the picture.
    """
    return np.concatenate([_layer_anchors(spec, layer) for layer in spec.layers]).astype(np.float32)


def _layer_anchors(spec: DetectionSpec, layer: AnchorLayer) -> npt.NDArray[np.float64]:
    y = (np.arange(layer.rows) + 0.5) * layer.step / spec.image_height
    x = (np.arange(layer.columns) + 0.5) * layer.step / spec.image_width
    second = math.sqrt(layer.size * layer.next_size)
    sides = [(layer.size, layer.size), (second, second)]
    sides += [(layer.size * math.sqrt(ratio), layer.size / math.sqrt(ratio)) for ratio in layer.ratios]
    sizes = np.array(sides) / [spec.image_width, spec.image_height]
    if spec.clip_anchors:
        sizes = np.minimum(sizes, 1.0)
    boxes = np.empty((layer.rows, layer.columns, layer.anchors_per_cell, 4))
    boxes[..., 0] = x[None, :, None]
    boxes[..., 1] = y[:, None, None]
    boxes[..., 2:] = sizes
    return boxes.reshape(-1, 4)
