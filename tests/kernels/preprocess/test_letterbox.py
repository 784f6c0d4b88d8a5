"""A letterboxed picture is what TensorFlow's ``resize_with_pad`` and Pillow's ``ImageOps.pad`` make of it."""

from __future__ import annotations

import importlib.util
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from accelserve.kernels.preprocess import Preprocessor, PreprocessSpec, decode_image, preprocess_float
from accelserve.kernels.preprocess.geometry import crop_window
from accelserve.kernels.preprocess.preprocessor import transform_float

U8 = npt.NDArray[np.uint8]

RECORD = Path(__file__).parents[2] / "data" / "preprocess" / "letterbox.npy"
HAS_TENSORFLOW = importlib.util.find_spec("tensorflow") is not None
SIDES = [1, 2, 3, 7, 19, 20, 21, 23, 24, 25, 40, 47, 48, 49, 64, 97, 100, 113, 150, 199, 200, 201]
HEIGHT, WIDTH = 20, 24


def letterbox(interpolation: str, height: int = HEIGHT, width: int = WIDTH, **fields: Any) -> PreprocessSpec:
    """Pixels as they are, padded."""
    document = {
        "resize": "letterbox", "resize_height": height, "resize_width": width, "interpolation": interpolation,
        "crop_height": height, "crop_width": width, "color_order": "RGB", "mean": [0, 0, 0],
    }  # fmt: skip
    return PreprocessSpec.from_json(document | fields)


def noise(height: int, width: int) -> U8:
    """Any picture, the same for the same size everywhere."""
    values = np.arange(height * width * 3, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return (values >> np.uint64(56)).astype(np.uint8).reshape(height, width, 3)


def tensorflows(picture: U8) -> npt.NDArray[np.float32]:
    import tensorflow as tf  # type: ignore[import-not-found, unused-ignore]

    return np.asarray(tf.image.resize_with_pad(picture, HEIGHT, WIDTH), np.float32)


def sizes_that_tensorflow_takes() -> list[tuple[int, int]]:
    """It refuses a picture of which no pixel would be left."""
    ratios = [(height, width, max(height / HEIGHT, width / WIDTH)) for height in SIDES for width in SIDES]
    return [(height, width) for height, width, ratio in ratios if min(height, width) >= ratio]


def record() -> npt.NDArray[np.uint32]:
    """CRC-32 of TensorFlow's answer for each size; run this module as a script to write it."""
    return np.array(
        [zlib.crc32(tensorflows(noise(*size)).tobytes()) for size in sizes_that_tensorflow_takes()], np.uint32
    )


def test_sizes_margins_and_pixels_are_those_of_resize_with_pad() -> None:
    """Recorded from TensorFlow 2.21: half-pixel bilinear, float32 sizes, black around."""
    spec = letterbox("bilinear")
    ours = [
        zlib.crc32(transform_float(spec, noise(*size)).tobytes()) for size in sizes_that_tensorflow_takes()
    ]
    np.testing.assert_array_equal(ours, np.load(RECORD))


@pytest.mark.skipif(not HAS_TENSORFLOW, reason="run `make test-tensorflow`")
def test_the_record_is_what_tensorflow_says() -> None:
    np.testing.assert_array_equal(record(), np.load(RECORD))


@pytest.mark.skipif(not HAS_TENSORFLOW, reason="run `make test-tensorflow`")
@settings(deadline=None)
@given(st.integers(1, 300), st.integers(1, 300))
def test_tensorflow_agrees_about_any_size(height: int, width: int) -> None:
    assume(min(height, width) >= max(height / HEIGHT, width / WIDTH))
    picture = noise(height, width)
    np.testing.assert_array_equal(transform_float(letterbox("bilinear"), picture), tensorflows(picture))


def pillows(picture: U8, method: Image.Resampling, size: tuple[int, int], pad: tuple[int, int, int]) -> U8:
    """``ImageOps.pad``; in two steps, since the order of the passes depends on Pillow's version otherwise."""
    whole = Image.fromarray(picture)
    width, height = ImageOps.contain(whole, size).size
    narrow = whole.resize((width, whole.height), method).resize((width, height), method)
    return np.asarray(ImageOps.pad(narrow, size, method, color=pad))


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 300),
    st.integers(1, 300),
    st.sampled_from([(24, 20), (20, 24), (33, 33), (300, 7)]),
    st.sampled_from(["bilinear-antialias", "bicubic-antialias"]),
)
@example(300, 16, (24, 20), "bicubic-antialias")
def test_pixels_and_colour_are_those_of_pillows_pad(
    height: int, width: int, size: tuple[int, int], interpolation: str
) -> None:
    method = Image.Resampling.BILINEAR if interpolation.startswith("bilinear") else Image.Resampling.BICUBIC
    assume(min(height, width) >= max(height / size[1], width / size[0]))  # else nothing of it is left
    spec = letterbox(
        interpolation, size[1], size[0],
        size_rule="rounded-quotient", crop_offset="round-half-even", pad=[114, 3, 250],
    )  # fmt: skip
    picture = noise(height, width)
    expected = pillows(picture, method, size, (114, 3, 250))
    np.testing.assert_array_equal(transform_float(spec, picture), expected)


@pytest.mark.parametrize("rule", ["float32-product", "integer-quotient", "rounded-quotient"])
@pytest.mark.parametrize("offset", ["floor", "round-half-even"])
@pytest.mark.parametrize("size", [(1, 10_000), (10_000, 1), (65_535, 3), (480, 640), (1, 1), (300, 300)])
def test_the_whole_picture_is_inside_whatever_its_shape(
    size: tuple[int, int], rule: str, offset: str
) -> None:
    window = crop_window(letterbox("bilinear", 300, 280, size_rule=rule, crop_offset=offset), *size)
    assert 1 <= window.resized_height <= 300
    assert 1 <= window.resized_width <= 280
    assert window.resized_height >= 299 or window.resized_width >= 279
    assert 0 <= -window.top <= 300 - window.resized_height
    assert 0 <= -window.left <= 280 - window.resized_width


@pytest.mark.parametrize(
    "interpolation", ["bilinear-legacy", "bilinear", "bilinear-antialias", "bicubic-antialias"]
)
@pytest.mark.parametrize(("order", "channels"), [("RGB", 3), ("BGR", 3), ("GRAY", 1)])
def test_quantizing_the_float_result_gives_the_same_bytes(
    rocket: bytes, interpolation: str, order: str, channels: int
) -> None:
    spec = letterbox(
        interpolation, 97, 64, color_order=order,
        mean=[123.68, 116.779, 103.939][:channels], scale=[0.017] * channels, pad=[114] * channels,
    )  # fmt: skip
    preprocessor = Preprocessor(spec, input_scale=0.0186584, input_zero_point=114)
    expected = preprocessor.quantize(preprocess_float(spec, rocket))
    np.testing.assert_array_equal(preprocessor.run([rocket])[0], expected)
    padded = np.zeros((1, 97, 64, 4), np.uint8)  # a tensor whose channels are padded
    preprocessor.run([rocket], padded[..., :channels])
    np.testing.assert_array_equal(padded[0, ..., :channels], expected)
    assert not padded[..., channels:].any()


def test_the_padding_is_in_the_order_of_the_channels(rocket: bytes) -> None:
    rgb = preprocess_float(letterbox("bilinear", 64, 64, pad=[1, 2, 3]), rocket)
    bgr = preprocess_float(letterbox("bilinear", 64, 64, color_order="BGR", pad=[3, 2, 1]), rocket)
    np.testing.assert_array_equal(rgb, bgr[..., ::-1])
    assert rgb[0, 0].tolist() == [1, 2, 3]


def test_a_picture_of_the_networks_aspect_needs_no_padding(rocket: bytes) -> None:
    picture = np.ascontiguousarray(decode_image(rocket)[:400, :600])
    fitted, exact = (letterbox("bilinear", 200, 300, resize=resize) for resize in ("letterbox", "exact"))
    np.testing.assert_array_equal(transform_float(fitted, picture), transform_float(exact, picture))


if __name__ == "__main__":
    np.save(RECORD, record())
