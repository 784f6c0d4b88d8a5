"""docs/preprocessing.md knows every preset and field, and its JSON is the preset that it says it is."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import get_args

from accelserve.kernels.preprocess import PRESETS, PreprocessSpec, preprocess_spec
from accelserve.kernels.preprocess.spec import ColorOrder, CropOffset, Interpolation, ResizeMode, SizeRule

FOLDER = Path(__file__).parents[3] / "docs"
PAGE = (FOLDER / "preprocessing.md").read_text(encoding="utf-8")


def test_every_preset_has_a_row_that_is_true() -> None:
    rows = {row[0]: row[1:] for row in re.findall(r"\| `([a-z0-9-]+)` \| (.*?) \| (.*?) \| (.*?) \|", PAGE)}
    assert rows.keys() == PRESETS.keys()
    for name, (resize, crop, channels) in rows.items():
        spec = PRESETS[name]
        size = f"{spec.resize_width} x {spec.resize_height}"
        wanted = f"shorter side {spec.resize_height}" if spec.resize == "shorter-side" else size
        if resize != "the same":
            assert resize == f"{wanted}, `{spec.interpolation}`"
        assert crop == ("none" if spec.crop_height == spec.resize_height else str(spec.crop_height))
        assert channels == spec.color_order


def test_every_field_and_choice_is_there() -> None:
    choices = [get_args(kind) for kind in (ResizeMode, Interpolation, SizeRule, CropOffset, ColorOrder)]
    fields = [field.name for field in dataclasses.fields(PreprocessSpec)]
    missing = [word for word in (*fields, *sum(choices, ())) if f"`{word}`" not in PAGE]
    assert missing == []


def test_the_json_is_what_it_is_said_to_be() -> None:
    letterbox, caffe = (
        preprocess_spec(each.strip()) for each in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    )
    assert caffe == PRESETS["imagenet-caffe"]
    assert (letterbox.resize, letterbox.size_rule, letterbox.crop_offset) == (
        "letterbox", "float32-product", "floor"
    )  # fmt: skip


def test_the_pictures_are_there() -> None:
    names = re.findall(r"\(images/(.*?)\)", PAGE)
    assert len(names) == 3
    assert all((FOLDER / "images" / name).is_file() for name in names)
