"""The description of preprocessing: plain data that survives JSON and refuses what makes no sense."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelserve.kernels.errors import KernelError
from accelserve.kernels.preprocess import PRESETS, PreprocessSpec, PreprocessSpecError, preprocess_spec

DOCUMENT = PRESETS["imagenet-caffe"].to_json()


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_survives_json(name: str) -> None:
    text = json.dumps(PRESETS[name].to_json())
    assert PreprocessSpec.from_json(json.loads(text)) == PRESETS[name]
    assert preprocess_spec(text) == PRESETS[name]
    assert preprocess_spec(name) is PRESETS[name]


def test_every_published_preset_is_there() -> None:
    assert set(PRESETS) == {
        "imagenet-caffe", "imagenet-caffe-bgr", "imagenet-torch", "densenet-caffe",
        "ssd-caffe", "ssd300-torch", "open-nsfw", "efficientnet-lite0",
    }  # fmt: skip


def test_the_document_names_every_field_in_plain_json() -> None:
    assert DOCUMENT == {
        "resize": "shorter-side",
        "resize_height": 256,
        "resize_width": 256,
        "interpolation": "bilinear-legacy",
        "size_rule": "float32-product",
        "crop_height": 224,
        "crop_width": 224,
        "crop_offset": "floor",
        "color_order": "RGB",
        "mean": [123.68, 116.779, 103.939],
        "scale": [1.0, 1.0, 1.0],
    }


def test_a_letterbox_names_its_padding() -> None:
    fitted = DOCUMENT | {"resize": "letterbox", "crop_height": 256, "crop_width": 256}
    assert PreprocessSpec.from_json(fitted).to_json() == fitted | {"pad": [0.0, 0.0, 0.0]}
    padded = PreprocessSpec.from_json(fitted | {"pad": [114, 114, 114]})
    assert PreprocessSpec.from_json(padded.to_json()) == padded


@settings(deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3),
    st.integers(1, 4096),
    st.sampled_from(["RGB", "BGR"]),
)
def test_any_valid_description_survives_json(mean: list[float], side: int, order: str) -> None:
    document = DOCUMENT | {
        "resize_height": side, "resize_width": side, "crop_height": side, "crop_width": 1,
        "mean": mean, "color_order": order,
    }  # fmt: skip
    spec = PreprocessSpec.from_json(document)
    assert spec.to_json() == document
    assert PreprocessSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"resize": "stretch"}, "resize", "shorter-side, exact, letterbox"),
        ({"resize": "letterbox"}, "crop_height", "crops nothing: expected 256"),
        ({"pad": [1, 2, 3]}, "pad", "only the resize 'letterbox' pads"),
        ({"resize": "letterbox", "crop_height": 256, "crop_width": 256, "pad": [1]}, "pad", "three numbers"),
        (
            {"resize": "letterbox", "crop_height": 256, "crop_width": 256, "pad": [1, 2, 256]},
            "pad",
            "0 to 255",
        ),
        ({"interpolation": "lanczos"}, "interpolation", "bicubic-antialias"),
        ({"interpolation": ["bilinear"]}, "interpolation", "expected one of"),
        ({"color_order": "GBR"}, "color_order", "RGB, BGR"),
        ({"resize_height": 0}, "resize_height", "from 1 to 4096"),
        ({"resize_height": 256.0}, "resize_height", "whole number"),
        ({"crop_width": True}, "crop_width", "whole number"),
        ({"crop_height": 257}, "crop_height", "only 256 pixels"),
        ({"resize_height": 300}, "resize_height", "make them equal"),
        ({"resize_width": 100_000, "resize": "exact"}, "resize_width", "4096"),
        ({"mean": [1.0, 2.0]}, "mean", "three numbers"),
        ({"mean": "123"}, "mean", "three numbers"),
        ({"mean": [1.0, 2.0, None]}, "mean", "three numbers"),
        ({"scale": [1.0, 2.0, float("nan")]}, "scale", "finite"),
        ({"scale": [1.0, 2.0, float("inf")]}, "scale", "finite"),
        ({"std": [1, 1, 1]}, "std", "no such field"),
    ],
)
def test_a_bad_value_is_refused_by_name(change: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(PreprocessSpecError, match=field) as caught:
        PreprocessSpec.from_json(DOCUMENT | change)
    assert caught.value.field == field
    assert words in str(caught.value)
    assert isinstance(caught.value, KernelError)


@pytest.mark.parametrize("field", ["resize", "crop_width", "mean", "color_order"])
def test_a_missing_field_is_named(field: str) -> None:
    document = {name: value for name, value in DOCUMENT.items() if name != field}
    with pytest.raises(PreprocessSpecError, match=rf"preprocess: {field}: the field is missing\."):
        PreprocessSpec.from_json(document)


@pytest.mark.parametrize("document", [None, [], "imagenet-caffe", 3])
def test_a_document_is_an_object(document: object) -> None:
    with pytest.raises(PreprocessSpecError, match="expected a JSON object"):
        PreprocessSpec.from_json(document)


@pytest.mark.parametrize("text", ["imagenet", "", "{bad json", "[1]"])
def test_a_text_is_a_preset_or_an_object(text: str) -> None:
    with pytest.raises(PreprocessSpecError, match="JSON"):
        preprocess_spec(text)


def test_a_description_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        PRESETS["ssd-caffe"].crop_width = 1  # type: ignore[misc]  # the point of the test
    with pytest.raises(TypeError):
        PRESETS["mine"] = PRESETS["ssd-caffe"]  # type: ignore[index]  # the point of the test


def test_an_unknown_preset_is_said_with_those_there_are() -> None:
    with pytest.raises(
        PreprocessSpecError, match=r"^preprocess: got 'imagenet-troch', expected .*imagenet-torch"
    ):
        preprocess_spec("imagenet-troch")
