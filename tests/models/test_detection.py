"""What a detector's conversion finds out, and what it refuses."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from accelserve.kernels.ir import DType, Graph, TensorType
from accelserve.kernels.postprocess import DETECTION_PRESETS, DetectionSpecError
from accelserve.kernels.preprocess import PRESETS
from accelserve.models.architectures import architecture, architectures
from accelserve.models.conversion.architecture_facts import detection_preset, published_labels
from accelserve.models.conversion.source import ARCHITECTURE_KEY
from accelserve.models.detection import DetectionStage, detection_document, detection_stage
from accelserve.models.errors import ConversionError
from accelserve.models.labels import label_list

SPEC = DETECTION_PRESETS["ssd-vgg-300"]
ANCHORS = [layer.anchors for layer in SPEC.layers]


def answering(outputs: Mapping[str, int], side: int = 300) -> Graph:
    """A graph whose outputs have so many elements; nothing here looks at how they are made."""
    constants = {name: np.zeros((1, size), np.float32) for name, size in outputs.items()}
    return Graph(
        inputs={"images": TensorType((1, side, side, 3), DType.F32)},
        nodes=(),
        constants=constants,
        outputs={name: name for name in outputs},
    )


def grids(classes: int, *, offsets_first: bool = False, woven: bool = False) -> dict[str, int]:
    logits = [(f"logits{i}", count * classes) for i, count in enumerate(ANCHORS)]
    offsets = [(f"offsets{i}", count * 4) for i, count in enumerate(ANCHORS)]
    if woven:
        return dict(each for pair in zip(logits, offsets, strict=True) for each in pair)
    return dict(offsets + logits if offsets_first else logits + offsets)


def stage(
    outputs: Mapping[str, int], document: Mapping[str, Any] | None = None, side: int = 300
) -> DetectionStage:
    fields = detection_document("ssd-vgg-300") if document is None else document
    return detection_stage(fields, answering(outputs, side), PRESETS["ssd-caffe"])


@pytest.mark.parametrize(
    "order", [{}, {"offsets_first": True}, {"woven": True}], ids=["logits-first", "offsets-first", "woven"]
)
def test_logits_and_offsets_are_told_apart_by_size_and_classes_are_counted(order: dict[str, bool]) -> None:
    found = stage(grids(9, **order))
    assert found.logits == tuple(f"logits{i}:0" for i in range(6))
    assert found.offsets == tuple(f"offsets{i}:0" for i in range(6))
    assert found.spec == dataclasses.replace(SPEC, classes=9)
    assert not found.joined


def test_one_pair_for_all_grids() -> None:
    found = stage({"b": 4 * SPEC.anchors, "a": 7 * SPEC.anchors})
    assert (found.logits, found.offsets, found.spec.classes) == (("a:0",), ("b:0",), 7)
    assert found.joined


def test_four_classes_look_like_four_coordinates_and_must_be_named() -> None:
    with pytest.raises(ConversionError, match=r"more than one way .* name them as 'logits' and 'offsets'"):
        stage(grids(4))
    named = detection_document(
        json.dumps(
            {
                "preset": "ssd-vgg-300",
                "logits": [f"logits{i}" for i in range(6)],
                "offsets": [f"offsets{i}:0" for i in range(6)],
            }
        )
    )
    assert stage(grids(4), named).spec.classes == 4


@pytest.mark.parametrize(
    ("outputs", "complaint"),
    [
        ({"a": 10}, "answers with 12 tensors or with 2, this network with 1: a:0"),
        ({"a": 10, "b": 10}, r"no way to take the outputs a:0, b:0 .* of \[8432\] anchors"),
        ({**grids(5), "logits3": 7}, "no way to take the outputs logits0:0"),
    ],
    ids=["one-output", "another-size", "one-grid-differs"],
)
def test_outputs_that_do_not_fit_are_named(outputs: Mapping[str, int], complaint: str) -> None:
    with pytest.raises(ConversionError, match=complaint):
        stage(outputs)


def test_classes_that_the_description_states_must_be_the_networks() -> None:
    document = {**detection_document("ssd-vgg-300"), "classes": 21}
    assert stage(grids(21), document).spec == SPEC
    with pytest.raises(ConversionError, match="no way to take the outputs"):
        stage(grids(20), document)


def test_another_picture_size_or_a_crop_is_refused() -> None:
    with pytest.raises(ConversionError, match="pictures of 300 x 300 but the network reads 512 x 512"):
        stage(grids(5), side=512)
    cropping = dataclasses.replace(PRESETS["ssd-caffe"], resize_height=320, resize_width=320)
    with pytest.raises(ConversionError, match="relative to the whole picture, but the preprocessing crops"):
        detection_stage(detection_document("ssd-vgg-300"), answering(grids(5)), cropping)


def test_an_output_called_like_a_detection_is_refused() -> None:
    sizes = {"detection_boxes": 4 * SPEC.anchors, "scores": 7 * SPEC.anchors}
    with pytest.raises(ConversionError, match=r"has outputs \['detection_boxes:0'\] of its own"):
        stage(sizes)


def test_integer_outputs_are_refused() -> None:
    graph = answering({"b": 4 * SPEC.anchors, "a": 7 * SPEC.anchors})
    codes = {name: array.astype(np.uint8) for name, array in graph.constants.items()}
    integers = Graph(graph.inputs, (), codes, graph.outputs)
    with pytest.raises(ConversionError, match="detection reads float32 tensors, but 'a:0' is uint8"):
        detection_stage(detection_document("ssd-vgg-300"), integers, PRESETS["ssd-caffe"])


def test_a_manifest_keeps_the_whole_stage() -> None:
    found = stage(grids(9))
    assert DetectionStage.from_json(json.loads(json.dumps(found.to_json()))) == found


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("ssd-500", "got 'ssd-500', expected a JSON object or one of ssd-vgg-300, ssd300-torch"),
        ("{", "is not JSON"),
        ('{"preset": "none"}', "got 'none', expected"),
    ],
)
def test_what_a_user_types_is_checked(text: str, complaint: str) -> None:
    with pytest.raises(DetectionSpecError, match=complaint):
        detection_document(text)


def test_thresholds_can_differ_from_a_presets() -> None:
    document = detection_document('{"preset": "ssd-vgg-300", "score_threshold": 0.3}')
    assert stage(grids(21), document).spec == dataclasses.replace(SPEC, score_threshold=0.3)
    with pytest.raises(DetectionSpecError, match="score_threshold"):
        stage(grids(21), {**document, "score_threshold": 3})


def test_every_architectures_facts_fit_each_other() -> None:
    detectors = [found for found in architectures().values() if found.detection]
    assert {found.name for found in detectors} == {"ssd_vgg", "ssd300_vgg16"}
    for found in detectors:
        assert found.detection is not None
        assert found.labels is not None
        spec = DETECTION_PRESETS[found.detection]
        assert spec.classes == found.classes == len(label_list(found.labels))
        assert PRESETS[found.preprocess].resize_height == spec.image_height


def test_published_label_lists() -> None:
    voc, coco = label_list("voc"), label_list("coco")
    assert (voc[0], voc[1], voc[15], voc[20]) == ("background", "aeroplane", "person", "tvmonitor")
    # numbers of the data set's own annotations
    assert (coco[1], coco[18], coco[44], coco[90]) == ("person", "dog", "bottle", "toothbrush")
    assert [i for i, name in enumerate(coco) if name == "N/A"] == [12, 26, 29, 30, 45, 66, 68, 69, 71, 83]
    assert sum(name not in {"N/A", "background"} for name in coco) == 80


def test_facts_hold_only_for_the_architectures_own_outputs_and_number_of_classes() -> None:
    metadata = {ARCHITECTURE_KEY: "ssd300_vgg16"}
    outputs = architecture("ssd300_vgg16").outputs
    assert detection_preset(metadata, outputs) == "ssd300-torch"
    assert detection_preset(metadata, outputs[:1]) is None
    assert detection_preset({}, outputs) is None
    assert published_labels(metadata, 91) == label_list("coco")
    assert published_labels(metadata, 4) == ()
    assert published_labels({ARCHITECTURE_KEY: "resnet50"}, 91) == ()


def test_labels_are_counted_against_the_detectors_classes(tmp_path: Path) -> None:
    from tests.models.detectors import publish, write_network

    network = write_network(tmp_path / "ssd.onnx", "ssd_vgg", classes=5, width=4)
    with pytest.raises(ConversionError, match=re.escape("2 labels for a detector of 5 classes")):
        publish(network, "ssd", labels=("background", "cat"))
    assert not (tmp_path / "models").exists()
