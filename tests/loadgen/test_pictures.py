"""What is sent: a mix of sizes as it was asked for, or a folder's files as they are."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from accelserve.loadgen.errors import LoadError
from accelserve.loadgen.pictures import (
    DEFAULT_SIZES,
    decoded,
    groups,
    of_files,
    pixel_tensor,
    resized,
    size_mix,
)
from accelserve.loadgen.plan import Pictures
from accelserve.models.samples import PHOTOGRAPHS, sample_photographs


def test_each_size_has_its_share() -> None:
    pictures = resized(sample_photographs(), size_mix("100:3,50"), seed=1)
    sizes = [Image.open(io.BytesIO(content)).size for content in pictures.files]
    longer = Counter(max(sizes[index]) for index in pictures.order)
    assert longer == {100: 3 * len(PHOTOGRAPHS), 50: len(PHOTOGRAPHS)}
    assert all(content.startswith(b"\xff\xd8\xff") for content in pictures.files)
    assert "100 px 75%, 50 px 25%" in pictures.description
    landscape = [size for size in sizes if size[0] == 100 and size[1] < 100]
    assert landscape  # proportions are kept


def test_the_order_is_shuffled_and_the_same_for_a_seed() -> None:
    mix = {40: 5, 20: 5}
    first, again, other = (resized(sample_photographs(), mix, seed) for seed in (1, 1, 2))
    assert list(first.order) == list(again.order)
    assert list(first.order) != list(other.order)
    assert list(first.order) != sorted(first.order)


def test_the_default_is_readable() -> None:
    assert sum(size_mix(DEFAULT_SIZES).values()) == 10


@pytest.mark.parametrize("text", ["", "a", "10:b", "0", "10:0", "-5", "20000", "10,10", "10:1:2", "1.5"])
def test_what_is_no_mix_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|stands there twice"):
        size_mix(text)


@given(st.text(max_size=30))
def test_no_text_does_worse_than_be_refused(text: str) -> None:
    try:
        mix = size_mix(text)
    except ValueError:
        return
    assert all(1 <= side <= 16384 and 1 <= share <= 1000 for side, share in mix.items())


def test_files_are_sent_as_they_are_and_evenly_chosen(tmp_path: Path) -> None:
    paths = []
    for number in range(10):
        paths.append(tmp_path / f"{number}.jpg")
        paths[-1].write_bytes(bytes([number]))
    assert of_files(paths, "here", 100).files == [bytes([number]) for number in range(10)]
    assert of_files(paths, "here", 5).files == [bytes([number]) for number in (0, 2, 4, 6, 8)]
    with pytest.raises(LoadError, match="here holds no picture"):
        of_files([], "here", 5)


def test_what_pixels_a_tensor_holds_is_read_from_its_shape() -> None:
    last, first = pixel_tensor("uint8:224x320x3"), pixel_tensor("float32:1x224x320")
    assert (last.dtype, last.height, last.width, last.channels, last.channels_first) == (
        "uint8",
        224,
        320,
        3,
        False,
    )
    assert (first.dtype, first.height, first.width, first.channels, first.channels_first) == (
        "float32",
        224,
        320,
        1,
        True,
    )
    assert (last.shape, first.shape) == ((224, 320, 3), (1, 224, 320))


@pytest.mark.parametrize(
    "text",
    ["", "uint8", "224x224x3", "int8:2x2x3", "uint8:2x2", "uint8:2x2x2", "uint8:0x2x3", "uint8:2x9999x3"],
)
def test_what_is_no_tensor_of_pixels_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        pixel_tensor(text)


@given(st.text(max_size=30))
def test_no_text_is_half_a_tensor_of_pixels(text: str) -> None:
    try:
        pixels = pixel_tensor(f"uint8:{text}")
    except ValueError:
        return
    assert pixels.channels in {1, 3}
    assert sorted(pixels.shape) == sorted(map(int, text.strip().split("x")))


def test_pictures_are_decoded_once_and_fitted() -> None:
    half = Image.new("RGB", (40, 20), (255, 0, 0))
    half.paste((0, 0, 255), (20, 0, 40, 20))
    encoded = io.BytesIO()
    half.save(encoded, "PNG")
    pictures = {"half.png": encoded.getvalue()}
    levels = np.frombuffer(decoded(pictures, pixel_tensor("uint8:10x10x3")).files[0], np.uint8).reshape(
        10, 10, 3
    )
    assert (levels[:, 0] == [255, 0, 0]).all()  # ten of the twenty columns that fit, from the middle
    assert (levels[:, -1] == [0, 0, 255]).all()
    planes = np.frombuffer(decoded(pictures, pixel_tensor("float32:3x10x10")).files[0], np.float32)
    assert np.array_equal(planes.reshape(3, 10, 10), levels.transpose(2, 0, 1) / np.float32(255))
    with pytest.raises(LoadError, match=r"half\.png cannot be decoded to pixels"):
        decoded({"half.png": encoded.getvalue()[:60]}, pixel_tensor("uint8:10x10x3"))


def test_batches_go_through_the_order_and_around() -> None:
    pictures = Pictures(files=[b"a", b"b", b"c"], order=[0, 1, 2], description="")
    assert groups(pictures, 1) == [[b"a"], [b"b"], [b"c"]]
    assert groups(pictures, 2) == [[b"a", b"b"], [b"c", b"a"]]
    assert groups(pictures, 5) == [[b"a", b"b", b"c", b"a", b"b"]]
