"""Sizes after the resize, and where the crop lies."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelserve.kernels.preprocess import PRESETS
from accelserve.kernels.preprocess.geometry import Window, crop_window

CAFFE, TORCH = PRESETS["imagenet-caffe"], PRESETS["imagenet-torch"]
SIDES = st.integers(1, 65_535)


@pytest.mark.parametrize(
    ("height", "width", "window"),
    [
        (375, 500, Window(resized_height=256, resized_width=341, top=16, left=58)),
        (500, 375, Window(resized_height=341, resized_width=256, top=58, left=16)),
        (256, 256, Window(resized_height=256, resized_width=256, top=16, left=16)),
        (1, 1, Window(resized_height=256, resized_width=256, top=16, left=16)),
        (10_000, 1, Window(resized_height=2_560_000, resized_width=256, top=1_279_888, left=16)),
    ],
)
def test_the_shorter_side_becomes_256_and_the_crop_is_central(
    height: int, width: int, window: Window
) -> None:
    assert crop_window(CAFFE, height, width) == window


def test_exact_sizes_ignore_the_aspect() -> None:
    expected = Window(resized_height=300, resized_width=300, top=0, left=0)
    assert crop_window(PRESETS["ssd-caffe"], 17, 4000) == expected
    assert crop_window(PRESETS["open-nsfw"], 17, 4000) == Window(
        resized_height=256, resized_width=256, top=16, left=16
    )


def test_torchvision_rounds_an_odd_margin_to_even_and_tensorflow_floors_it() -> None:
    # 343 - 224 = 119; half of it is 59.5, which rounds to 60
    assert crop_window(TORCH, 256, 343).left == 60
    assert crop_window(CAFFE, 256, 343).left == 59
    # 341 - 224 = 117; half of it is 58.5, which rounds to 58
    assert crop_window(TORCH, 256, 341).left == 58


@settings(deadline=None)
@given(SIDES, SIDES)
def test_torchvision_size_is_the_integer_quotient(height: int, width: int) -> None:
    window = crop_window(TORCH, height, width)
    short, long = min(height, width), max(height, width)
    assert min(window.resized_height, window.resized_width) == 256
    assert max(window.resized_height, window.resized_width) == int(256 * long / short)


def test_the_float32_product_falls_short_for_some_pictures_as_it_does_in_tensorflow() -> None:
    short = [s for s in range(1, 5000) if int(np.float32(s) * np.float32(256 / s)) == 255]
    assert short, "the rule below would test nothing"
    for side in short:
        assert crop_window(CAFFE, side, side).resized_height == 255


@settings(deadline=None)
@given(SIDES, SIDES, st.integers(1, 256), st.integers(1, 256), st.sampled_from([CAFFE, TORCH]))
def test_the_crop_always_lies_inside(height: int, width: int, rows: int, columns: int, base: object) -> None:
    assert isinstance(base, type(CAFFE))
    spec = dataclasses.replace(base, crop_height=rows, crop_width=columns)
    window = crop_window(spec, height, width)
    assert 0 <= window.top <= window.resized_height - rows
    assert 0 <= window.left <= window.resized_width - columns
    assert abs(window.top - (window.resized_height - rows - window.top)) <= 2
