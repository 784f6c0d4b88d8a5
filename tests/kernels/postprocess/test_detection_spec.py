"""The description of a detector's decoding, and the anchors that it describes."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from accelserve.kernels.errors import KernelError
from accelserve.kernels.postprocess import (
    DETECTION_PRESETS,
    AnchorLayer,
    DetectionSpec,
    DetectionSpecError,
    anchor_boxes,
)

TORCH, AZURE = DETECTION_PRESETS["ssd300-torch"], DETECTION_PRESETS["ssd-vgg-300"]


@pytest.mark.parametrize("name", DETECTION_PRESETS)
def test_a_preset_survives_json(name: str) -> None:
    spec = DETECTION_PRESETS[name]
    assert DetectionSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_presets_have_the_published_number_of_anchors() -> None:
    assert TORCH.anchors == 8732
    assert [layer.anchors_per_cell for layer in TORCH.layers] == [4, 6, 6, 6, 4, 4]
    assert AZURE.anchors == 37 * 37 * 4 + 19 * 19 * 6 + 10 * 10 * 6 + 5 * 5 * 6 + 3 * 3 * 4 + 4


def change(document: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return document | fields


LAYER = TORCH.to_json()["layers"][0]


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"classes": 1}, "classes", "from 2"),
        ({"classes": 2.0}, "classes", "whole number"),
        ({"background_class": 91}, "background_class", "from 0 to 90"),
        ({"score_threshold": 1.5}, "score_threshold", "from 0 to 1"),
        ({"iou_threshold": float("nan")}, "iou_threshold", "finite"),
        ({"candidates": 0}, "candidates", "from 1"),
        ({"candidates_scope": "batch"}, "candidates_scope", "class or image"),
        ({"max_detections": True}, "max_detections", "whole number"),
        ({"center_variance": 0}, "center_variance", "1e-6"),
        ({"size_exponent_limit": -1}, "size_exponent_limit", "1e-6"),
        ({"clip_anchors": 1}, "clip_anchors", "true or false"),
        ({"layers": []}, "layers", "at least one"),
        ({"layers": None}, "layers", "list of objects"),
        ({"layers": [3]}, "layers", "JSON object"),
        ({"layers": [LAYER | {"rows": 0}]}, "rows", "from 1"),
        ({"layers": [LAYER | {"ratios": [0]}]}, "ratios", "1e-6"),
        ({"layers": [LAYER | {"ratios": "2"}]}, "ratios", "list of numbers"),
        ({"layers": [LAYER | {"depth": 1}]}, "depth", "no such field"),
        ({"layers": [LAYER | {"rows": 4000, "columns": 4000}]}, "layers", "anchors and the limit"),
        ({"nms": 0.5}, "nms", "no such field"),
    ],
)
def test_a_bad_value_is_refused_by_name(fields: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(DetectionSpecError, match=field) as caught:
        DetectionSpec.from_json(TORCH.to_json() | fields)
    assert caught.value.field == field
    assert words in str(caught.value)
    assert isinstance(caught.value, KernelError)


@pytest.mark.parametrize("field", ["layers", "classes", "iou_threshold"])
def test_a_missing_field_is_named(field: str) -> None:
    document = {name: value for name, value in TORCH.to_json().items() if name != field}
    with pytest.raises(DetectionSpecError, match=rf"detection: {field}: the field is missing\."):
        DetectionSpec.from_json(document)


def torchvision_default_boxes(grids: list[int]) -> npt.NDArray[np.float32]:
    """``DefaultBoxGenerator`` of ssd300_vgg16 as published: relative ``cx, cy, w, h``, float32 from the start."""
    ratios = [[2], [2, 3], [2, 3], [2, 3], [2], [2]]
    scales = [0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05]
    steps = [8, 16, 32, 64, 100, 300]
    boxes = []
    for k, grid in enumerate(grids):
        pairs = [[scales[k], scales[k]], [math.sqrt(scales[k] * scales[k + 1])] * 2]
        for ratio in ratios[k]:
            width, height = scales[k] * math.sqrt(ratio), scales[k] / math.sqrt(ratio)
            pairs += [[width, height], [height, width]]
        sizes = np.clip(np.array(pairs, np.float32), 0, 1)
        centers = ((np.arange(grid, dtype=np.float32) + np.float32(0.5)) / np.float32(300 / steps[k])).astype(
            np.float32
        )
        for y in centers:
            for x in centers:
                boxes += [[x, y, width, height] for width, height in sizes]
    return np.array(boxes, np.float32)


def test_torch_anchors_are_torchvisions_default_boxes() -> None:
    np.testing.assert_allclose(
        anchor_boxes(TORCH), torchvision_default_boxes([38, 19, 10, 5, 3, 1]), rtol=3e-7
    )


def test_the_sizes_above_one_are_clipped_only_where_the_description_says_so() -> None:
    assert anchor_boxes(TORCH)[:, 2:].max() == 1.0
    assert anchor_boxes(dataclasses.replace(TORCH, clip_anchors=False))[:, 2:].max() == pytest.approx(
        0.87 * math.sqrt(2)
    )


def tensorflow_anchors(grids: list[int]) -> npt.NDArray[np.float64]:
    """The anchors of SSD-Tensorflow's published parameters, in pixels at first, one grid after the other."""
    sizes = [(21.0, 45.0), (45.0, 99.0), (99.0, 153.0), (153.0, 207.0), (207.0, 261.0), (261.0, 315.0)]
    few, many = [2, 0.5], [2, 0.5, 3, 1 / 3]
    ratios, steps = [few, many, many, many, few, few], [8, 16, 32, 64, 100, 300]
    boxes = []
    for grid, (size, following), shapes, step in zip(grids, sizes, ratios, steps, strict=True):
        widths = [size, math.sqrt(size * following)] + [size * math.sqrt(r) for r in shapes]
        heights = [size, math.sqrt(size * following)] + [size / math.sqrt(r) for r in shapes]
        for row in range(grid):
            for column in range(grid):
                center = (column + 0.5) * step, (row + 0.5) * step
                boxes += [[*center, width, height] for width, height in zip(widths, heights, strict=True)]
    return np.array(boxes) / 300


def test_azure_anchors_follow_the_published_sizes_steps_and_ratios() -> None:
    np.testing.assert_allclose(anchor_boxes(AZURE), tensorflow_anchors([37, 19, 10, 5, 3, 1]), rtol=1e-7)


def test_a_grid_that_is_not_square_runs_row_by_row() -> None:
    layer = AnchorLayer(rows=2, columns=3, step=10, size=8, next_size=18, ratios=(4.0,))
    spec = dataclasses.replace(AZURE, layers=(layer,), image_height=20, image_width=40)
    boxes = anchor_boxes(spec)
    assert boxes.dtype == np.float32
    assert boxes.shape == (18, 4)
    np.testing.assert_array_equal(boxes[::3, :2], [[0.125, 0.25], [0.375, 0.25], [0.625, 0.25], [0.125, 0.75], [0.375, 0.75], [0.625, 0.75]])  # fmt: skip
    np.testing.assert_allclose(boxes[:3, 2:], [[0.2, 0.4], [0.3, 0.6], [0.4, 0.2]], rtol=1e-7)
