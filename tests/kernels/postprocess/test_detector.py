"""Detection: torchvision's and SSD-Tensorflow's published post-processing, and what must hold for any input."""

from __future__ import annotations

import dataclasses
import math
import threading

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelserve.kernels.postprocess import (
    DETECTION_PRESETS,
    AnchorLayer,
    Detections,
    DetectionSpec,
    Detector,
    TensorShapeError,
    anchor_boxes,
    softmax,
)

F32 = npt.NDArray[np.float32]
TORCH, AZURE = DETECTION_PRESETS["ssd300-torch"], DETECTION_PRESETS["ssd-vgg-300"]


def raw_outputs(spec: DetectionSpec, seed: int, pictures: int = 1) -> tuple[F32, F32]:
    """Outputs like a trained network's: background nearly everywhere, clusters of agreeing anchors here and there."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (pictures, spec.anchors, spec.classes)).astype(np.float32)
    logits[..., 0] += 9
    for picture in range(pictures):
        for start in rng.integers(0, spec.anchors - 40, 30):
            width = rng.integers(1, 40)
            logits[picture, start : start + width, rng.integers(1, spec.classes)] += rng.uniform(4, 14)
    return logits, rng.normal(0, 1, (pictures, spec.anchors, 4)).astype(np.float32)


def iou(one: npt.NDArray[np.floating], others: npt.NDArray[np.floating]) -> F32:
    """torchvision's ``box_iou`` of corners."""
    low, high = np.maximum(one[:2], others[:, :2]), np.minimum(one[2:], others[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    area = (others[:, 2:] - others[:, :2]).prod(axis=1)
    return np.asarray(shared / ((one[2:] - one[:2]).prod() + area - shared), np.float32)


def torchvision_postprocess(logits: F32, offsets: F32, spec: DetectionSpec) -> tuple[F32, F32, list[int]]:
    """``SSD.postprocess_detections`` with ``BoxCoder.decode_single`` and ``batched_nms``, in pixels, in numpy."""
    anchors = anchor_boxes(spec)
    corners = np.concatenate(
        [anchors[:, :2] - anchors[:, 2:] / 2, anchors[:, :2] + anchors[:, 2:] / 2], 1
    ) * np.float32(300)
    widths, heights = corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]
    x, y = corners[:, 0] + np.float32(0.5) * widths, corners[:, 1] + np.float32(0.5) * heights
    dx, dy, dw, dh = (offsets / np.array([10, 10, 5, 5], np.float32)).T
    dw, dh = np.minimum(dw, np.float32(math.log(1000 / 16))), np.minimum(dh, np.float32(math.log(1000 / 16)))
    x, y, w, h = dx * widths + x, dy * heights + y, np.exp(dw) * widths, np.exp(dh) * heights
    boxes = np.clip(np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], 1), 0, 300)
    scores = softmax(logits)
    kept: list[tuple[float, int, int]] = []
    for label in range(1, spec.classes):
        chosen = np.flatnonzero(scores[:, label] > np.float32(0.01))
        ranked = chosen[np.argsort(-scores[chosen, label], kind="stable")][:400]
        standing: list[int] = []
        for anchor in ranked.tolist():
            if not standing or not (iou(boxes[anchor], boxes[standing]) > np.float32(0.45)).any():
                standing.append(anchor)
        kept += [(-float(scores[anchor, label]), anchor, label) for anchor in standing]
    kept = sorted(kept)[:200]
    picks = [anchor for _, anchor, _ in kept]
    return boxes[picks], np.array([-s for s, _, _ in kept], np.float32), [label for _, _, label in kept]


@pytest.mark.parametrize("seed", range(4))
def test_the_torch_preset_is_torchvisions_post_processing(seed: int) -> None:
    logits, offsets = raw_outputs(TORCH, seed)
    boxes, scores, labels = torchvision_postprocess(logits[0], offsets[0], TORCH)
    assert len(labels) > 50
    found = Detector(TORCH).run(logits, offsets)
    count = int(found.count[0])
    assert count == len(labels)
    assert found.classes[0, :count].tolist() == labels
    np.testing.assert_array_equal(found.scores[0, :count], scores)
    pixels = found.boxes[0, :count][:, [1, 0, 3, 2]] * 300
    np.testing.assert_allclose(pixels, boxes, atol=2e-4)


def client_side_decoding(
    logits: F32, offsets: F32, spec: DetectionSpec
) -> list[tuple[int, float, list[float]]]:
    """What the Azure clients do with the twelve tensors, in plain Python: select, clip, best 400, suppress."""
    anchors = anchor_boxes(spec).astype(np.float64)
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    scores = powers / powers.sum(axis=-1, keepdims=True)
    selected = []
    for anchor, label in zip(*np.where(scores[:, 1:] > 0.5), strict=True):
        (cx, cy, w, h), (dx, dy, dw, dh) = anchors[anchor], offsets[anchor].tolist()
        cx, cy, w, h = cx + dx * w * 0.1, cy + dy * h * 0.1, w * math.exp(dw * 0.2), h * math.exp(dh * 0.2)
        box = [min(max(v, 0.0), 1.0) for v in (cy - h / 2, cx - w / 2, cy + h / 2, cx + w / 2)]
        selected.append((int(label) + 1, float(scores[anchor, label + 1]), box))
    standing: list[tuple[int, float, list[float]]] = []
    for label, score, box in sorted(selected, key=lambda each: -each[1])[:400]:
        rivals = np.array([other for rival, _, other in standing if rival == label], np.float64).reshape(
            -1, 4
        )
        if not (iou(np.array(box), rivals) > 0.45).any():
            standing.append((label, score, box))
    return standing


@pytest.mark.parametrize("seed", range(4))
def test_the_azure_preset_is_the_clients_decoding(seed: int) -> None:
    logits, offsets = raw_outputs(AZURE, 100 + seed)
    expected = client_side_decoding(logits[0], offsets[0], AZURE)
    assert len(expected) > 10
    found = Detector(AZURE).run(logits, offsets)
    count = int(found.count[0])
    assert found.classes[0, :count].tolist() == [label for label, _, _ in expected]
    np.testing.assert_allclose(found.scores[0, :count], [score for _, score, _ in expected], rtol=1e-6)
    np.testing.assert_allclose(found.boxes[0, :count], [box for _, _, box in expected], atol=1e-6)


def test_outputs_have_tensorflows_names_and_layout() -> None:
    logits, offsets = raw_outputs(AZURE, 7, pictures=3)
    outputs = Detector(AZURE).run(logits, offsets).as_outputs()
    shapes = {name: (tensor.dtype.name, tensor.shape) for name, tensor in outputs.items()}
    assert shapes == {
        "detection_boxes": ("float32", (3, 400, 4)),
        "detection_scores": ("float32", (3, 400)),
        "detection_classes": ("float32", (3, 400)),
        "num_detections": ("float32", (3,)),
    }
    for index, count in enumerate(outputs["num_detections"].astype(int)):
        assert 0 < count < 400
        assert not outputs["detection_scores"][index, count:].any()
        assert not outputs["detection_boxes"][index, count:].any()
        assert not outputs["detection_classes"][index, count:].any()


def test_layers_may_come_one_by_one_in_the_networks_shapes() -> None:
    logits, offsets = raw_outputs(AZURE, 8, pictures=2)
    ends = np.cumsum([layer.anchors for layer in AZURE.layers])[:-1]

    def layered(tensor: F32, values: int, *, joined: bool) -> list[F32]:
        parts = np.split(tensor, ends, axis=1)
        return [
            part.reshape(
                2, layer.rows, layer.columns, *((-1,) if joined else (layer.anchors_per_cell, values))
            )
            for part, layer in zip(parts, AZURE.layers, strict=True)
        ]

    detector = Detector(AZURE)
    expected = detector.run(logits, offsets)
    for joined in (False, True):
        found = detector.run_layers(layered(logits, 21, joined=joined), layered(offsets, 4, joined=joined))
        assert_same(found, expected)


def assert_same(found: Detections, expected: Detections) -> None:
    for name, tensor in expected.as_outputs().items():
        np.testing.assert_array_equal(found.as_outputs()[name], tensor)


@pytest.mark.parametrize("spec", [TORCH, AZURE], ids=["torch", "azure"])
def test_batch_and_threads_change_no_byte(spec: DetectionSpec) -> None:
    logits, offsets = raw_outputs(spec, 9, pictures=4)
    detector = Detector(spec)
    together = detector.run(logits, offsets)
    singly: list[Detections | None] = [None] * 4

    def work(index: int) -> None:
        singly[index] = detector.run(logits[index : index + 1], offsets[index : index + 1])

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, single in enumerate(singly):
        assert single is not None
        for name, tensor in together.as_outputs().items():
            np.testing.assert_array_equal(single.as_outputs()[name][0], tensor[index])


def small_spec(**fields: object) -> DetectionSpec:
    """Eight anchors in two cells, four classes with the background last but one."""
    layer = AnchorLayer(rows=1, columns=2, step=50, size=30, next_size=60, ratios=(2.0, 0.5))
    document = AZURE.to_json() | {
        "image_height": 100, "image_width": 100, "layers": [dataclasses.asdict(layer)], "classes": 4,
        "background_class": 2, "score_threshold": 0.05, "max_detections": 20,
    }  # fmt: skip
    return DetectionSpec.from_json(document | fields)


specs = st.builds(
    lambda iou_threshold, score, candidates, scope, most, clip: small_spec(
        iou_threshold=iou_threshold, score_threshold=score, candidates=candidates, candidates_scope=scope,
        max_detections=most, clip_anchors=clip,
    ),
    st.floats(0, 1), st.floats(0, 1), st.integers(1, 40), st.sampled_from(["class", "image"]), st.integers(1, 30),
    st.booleans(),
)  # fmt: skip
# few distinct values, as a quantized network gives them, so that ties are common
logit_arrays = st.lists(st.integers(-8, 8), min_size=32, max_size=32).map(
    lambda values: (np.array(values, np.float32) / 2).reshape(1, 8, 4)
)
offset_arrays = st.lists(st.integers(-20, 20), min_size=32, max_size=32).map(
    lambda values: (np.array(values, np.float32) / 4).reshape(1, 8, 4)
)


@settings(deadline=None)
@given(specs, logit_arrays, offset_arrays)
def test_invariants_of_suppression(spec: DetectionSpec, logits: F32, offsets: F32) -> None:
    found = Detector(spec).run(logits, offsets)
    count = int(found.count[0])
    boxes, scores, classes = found.boxes[0, :count], found.scores[0, :count], found.classes[0, :count]
    assert count <= min(spec.max_detections, spec.candidates * (3 if spec.candidates_scope == "class" else 1))
    assert (scores > np.float32(spec.score_threshold)).all()
    assert (np.diff(scores) <= 0).all()
    assert spec.background_class not in classes
    assert ((boxes >= 0) & (boxes <= 1)).all()
    assert (boxes[:, :2] <= boxes[:, 2:]).all()
    for label in set(classes.tolist()):
        rivals = boxes[classes == label]
        with np.errstate(invalid="ignore"):
            for index in range(1, len(rivals)):
                assert not (iou(rivals[index], rivals[:index]) > np.float32(spec.iou_threshold) + 1e-6).any()


def plain_detections(spec: DetectionSpec, logits: F32, offsets: F32) -> list[tuple[int, int]]:
    """Anchor and class of what must be found, by sorting everything."""
    scores = softmax(logits)
    single = dataclasses.replace(spec, iou_threshold=1.0, candidates=10_000, max_detections=10_000)
    ranked = sorted(
        (-float(scores[a, c]), a, c)
        for a in range(8)
        for c in range(4)
        if c != spec.background_class and scores[a, c] > np.float32(spec.score_threshold)
    )
    every = Detector(single).run(logits[None], offsets[None])
    boxes = {(a, c): every.boxes[0, i] for i, (_, a, c) in enumerate(ranked)}
    taken: dict[int, int] = {}
    kept: list[tuple[int, int]] = []
    for _, a, c in ranked:
        group = c if spec.candidates_scope == "class" else -1
        taken[group] = taken.get(group, 0) + 1
        rivals = np.array([boxes[key] for key in kept if key[1] == c], np.float32).reshape(-1, 4)
        with np.errstate(invalid="ignore"):
            suppressed = (iou(boxes[a, c], rivals) > np.float32(spec.iou_threshold)).any()
        if taken[group] <= spec.candidates and not suppressed:
            kept.append((a, c))
    return kept[: spec.max_detections]


@settings(deadline=None)
@given(specs, logit_arrays, offset_arrays)
def test_the_heap_finds_what_sorting_everything_finds(spec: DetectionSpec, logits: F32, offsets: F32) -> None:
    expected = plain_detections(spec, logits[0], offsets[0])
    found = Detector(spec).run(logits, offsets)
    scores = softmax(logits[0])
    count = int(found.count[0])
    assert found.classes[0, :count].tolist() == [c for _, c in expected]
    np.testing.assert_array_equal(
        found.scores[0, :count], np.array([scores[key] for key in expected], np.float32)
    )


@pytest.mark.parametrize("threshold", [1e-6, 0.01, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("level", [0.0, 300.0, -1e5])
def test_background_is_passed_over_only_where_no_class_can_exceed_the_threshold(
    threshold: float, level: float
) -> None:
    spec = small_spec(score_threshold=threshold, iou_threshold=1.0)
    detector = Detector(spec)
    edge = math.log(
        threshold / (1 - threshold)
    )  # where the probability of one class against background is it
    for distance in np.linspace(-0.02, 0.02, 41):
        logits = np.full((1, 8, 4), level - 60.0, np.float32)
        logits[..., 2] = level
        logits[0, 5, 1] = level + edge + distance
        expected = (softmax(logits[0])[:, [0, 1, 3]] > np.float32(threshold)).sum()
        assert detector.run(logits, np.zeros((1, 8, 4), np.float32)).count[0] == expected


def test_of_equal_scores_the_lower_anchor_comes_first() -> None:
    spec = small_spec(iou_threshold=1.0)
    logits = np.zeros((1, 8, 4), np.float32)
    found = Detector(spec).run(logits, np.zeros((1, 8, 4), np.float32))
    assert found.count[0] == 20
    assert found.classes[0, :6].tolist() == [0, 1, 3, 0, 1, 3]
    centers = (found.boxes[0, :20, 1] + found.boxes[0, :20, 3]) / 2
    assert (np.diff(centers) >= -1e-6).all()


def test_a_box_in_a_class_does_not_suppress_another_class() -> None:
    spec = small_spec(iou_threshold=0.0, score_threshold=0.3)
    logits = np.full((1, 8, 4), -9.0, np.float32)
    logits[0, 0, [0, 1]] = 5.0
    found = Detector(spec).run(logits, np.zeros((1, 8, 4), np.float32))
    assert found.classes[0, :3].tolist() == [0, 1, 0]
    assert found.count[0] == 2


def test_boxes_without_area_are_not_suppressed_as_in_torchvision() -> None:
    spec = small_spec(score_threshold=0.5)
    logits = np.full((1, 8, 4), -9.0, np.float32)
    logits[0, :2, 1] = 9.0
    offsets = np.full((1, 8, 4), 200.0, np.float32)  # far beyond the corner: clipped to a point
    offsets[..., 2:] = 0.0
    found = Detector(spec).run(logits, offsets)
    assert found.count[0] == 2
    np.testing.assert_array_equal(found.boxes[0, :2], np.ones((2, 4)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, -3e38])
def test_wild_numbers_never_escape_the_picture(value: float) -> None:
    logits, offsets = raw_outputs(AZURE, 3)
    offsets[0, ::3] = value
    found = Detector(AZURE).run(logits, offsets)
    assert ((found.boxes >= 0) & (found.boxes <= 1)).all()
    logits[0, ::5, 3] = value
    assert np.isfinite(Detector(AZURE).run(logits, offsets).scores).all()


@pytest.mark.parametrize(
    ("logits", "offsets", "tensor"),
    [
        ((1, 8432, 20), (1, 8432, 4), "class logits"),
        ((1, 8431, 21), (1, 8432, 4), "class logits"),
        ((8432, 21), (8432, 4), "class logits"),
        ((), (), "class logits"),
        ((1, 8432, 21), (2, 8432, 4), "box offsets"),
        ((1, 8432, 21), (1, 8432, 5), "box offsets"),
    ],
)
def test_shapes_must_fit_the_description(
    logits: tuple[int, ...], offsets: tuple[int, ...], tensor: str
) -> None:
    with pytest.raises(TensorShapeError, match="expected") as caught:
        Detector(AZURE).run(np.zeros(logits, np.float32), np.zeros(offsets, np.float32))
    assert caught.value.tensor == tensor


def test_layers_must_fit_the_description() -> None:
    detector = Detector(small_spec())
    good, boxes = np.zeros((1, 1, 2, 4, 4), np.float32), np.zeros((1, 1, 2, 4, 4), np.float32)
    detector.run_layers([good], [boxes])
    with pytest.raises(TensorShapeError, match="one tensor for each of 1 layers"):
        detector.run_layers([good, good], [boxes, boxes])
    with pytest.raises(
        TensorShapeError, match=r"class logits of layer 0: got shape .* expected \[N, 1, 2, 4, 4\]"
    ):
        detector.run_layers([good[:, :, :1]], [boxes])
    with pytest.raises(TensorShapeError, match="box offsets"):
        detector.run_layers([good], [np.concatenate([boxes, boxes])])


def test_no_pictures_give_empty_tensors() -> None:
    found = Detector(AZURE).run(np.zeros((0, 8432, 21), np.float32), np.zeros((0, 8432, 4), np.float32))
    assert found.boxes.shape == (0, 400, 4)


def test_warm_up_compiles_what_requests_need() -> None:
    Detector(TORCH).warm_up()
