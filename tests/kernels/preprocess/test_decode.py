"""Decoding: TensorFlow's pixels for what it accepts, one clear sentence for what nobody can use."""

from __future__ import annotations

import io
import pickle
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from accelserve.kernels.preprocess import (
    EmptyImageError,
    ImageError,
    ImageLimits,
    ImageTooLargeError,
    InvalidImageError,
    PreprocessSpecError,
    UnknownImageFormatError,
    decode_image,
)

GOLDEN = Path(__file__).parents[2] / "data" / "preprocess" / "decoded.npz"


def golden_files() -> dict[str, tuple[bytes, npt.NDArray[np.uint8]]]:
    with np.load(GOLDEN) as arrays:
        names = [key.removesuffix("__file") for key in arrays.files if key.endswith("__file")]
        return {name: (arrays[f"{name}__file"].tobytes(), arrays[f"{name}__pixels"]) for name in names}


FILES = golden_files()


def encoded(picture: Image.Image, image_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, image_format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("name", FILES)
def test_pixels_equal_tensorflows(name: str) -> None:
    data, expected = FILES[name]
    pixels = decode_image(data)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize("name", FILES)
def test_bgr_is_rgb_backwards(name: str) -> None:
    data, expected = FILES[name]
    pixels = decode_image(data, "BGR")
    assert pixels.flags.c_contiguous
    np.testing.assert_array_equal(pixels, expected[..., ::-1])


def test_orientation_in_exif_is_ignored() -> None:
    data, _ = FILES["exif-rotated.jpg"]
    assert Image.open(io.BytesIO(data)).getexif()[0x112] == 6
    assert decode_image(data).shape == (37, 47, 3)


def test_a_palette_bmp_keeps_its_colors(cat: bytes) -> None:
    palette = Image.open(io.BytesIO(cat)).convert("RGB").quantize(32)
    np.testing.assert_array_equal(decode_image(encoded(palette, "BMP")), np.asarray(palette.convert("RGB")))


def test_harmless_extra_bytes_before_a_marker_are_accepted_as_in_tensorflow() -> None:
    data, expected = FILES["restart-markers.jpg"]
    marker = data.find(b"\xff\xd3")
    assert marker > 0
    np.testing.assert_array_equal(decode_image(data[:marker] + b"zz" + data[marker:]), expected)


def test_no_bytes() -> None:
    with pytest.raises(EmptyImageError, match=r"^Input is empty\. got 0 bytes"):
        decode_image(b"")


@pytest.mark.parametrize(
    "data", [b"hello", b"\x00", b"RIFF\x00\x00\x00\x00WAVEfmt ", b"%PDF-1.7", b"\xff\xd8"]
)
def test_not_a_picture(data: bytes) -> None:
    message = r"^Unknown image file format\. One of JPEG, PNG, GIF, BMP, WebP required\. got \d+ bytes that begin with b'"
    with pytest.raises(UnknownImageFormatError, match=message) as caught:
        decode_image(data)
    assert caught.value.first_bytes == data[:8]


HEADLINES = {
    "jpg": r"^Invalid JPEG data or crop window\. ",
    "png": r"^Invalid PNG data\. ",
    "gif": r"^Invalid GIF data\. ",
    "bmp": r"^Invalid BMP data\. ",
}


@pytest.mark.parametrize("name", ["420.jpg", "progressive.jpg", "grey.jpg", "cmyk-adobe.jpg"])
@pytest.mark.parametrize("kept", ["signature", "header", "half", "all but the last 1", "all but the last 2"])
def test_a_jpeg_cut_short_is_refused(name: str, kept: str) -> None:
    data, _ = FILES[name]
    lengths = {"signature": 3, "header": 200, "half": len(data) // 2}
    length = lengths.get(kept) or len(data) - int(kept[-1])
    with pytest.raises(InvalidImageError, match=HEADLINES["jpg"]) as caught:
        decode_image(data[:length])
    assert caught.value.image_format == "JPEG"


@pytest.mark.parametrize("name", ["rgb.png", "palette.png", "palette.gif", "rgb.bmp"])
@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.9, 0.99])
def test_other_pictures_cut_short_are_refused(name: str, share: float) -> None:
    data, _ = FILES[name]
    with pytest.raises(InvalidImageError, match=HEADLINES[name[-3:]]):
        decode_image(data[: max(int(len(data) * share), 8)])


def test_a_png_that_lacks_only_its_end_is_refused_as_in_tensorflow() -> None:
    data, _ = FILES["rgb.png"]
    with pytest.raises(InvalidImageError, match="IEND"):
        decode_image(data[:-12])


def test_a_jpeg_with_damaged_data_is_refused(rocket: bytes) -> None:
    damaged = bytearray(rocket)
    start = len(damaged) // 2
    damaged[start : start + 64] = b"\xff\xd9" * 32
    with pytest.raises(InvalidImageError, match=r"Corrupt JPEG data|Premature end"):
        decode_image(bytes(damaged))


def claiming(name: str, width: int, height: int) -> bytes:
    """A real file whose header claims another size."""
    data = bytearray(FILES[name][0])
    if name.endswith("jpg"):
        frame = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
        data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    elif name.endswith("png"):
        data[16:24] = struct.pack(">II", width, height)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    elif name.endswith("gif"):
        frame = data.find(b"\x2c\x00\x00\x00\x00", 13)  # the screen's size does not count
        data[frame + 5 : frame + 9] = struct.pack("<HH", width, height)
    else:
        data[18:26] = struct.pack("<ii", width, height)
    return bytes(data)


@pytest.mark.parametrize(
    "name", ["420.jpg", "progressive.jpg", "cmyk-adobe.jpg", "rgb.png", "palette.gif", "rgb.bmp"]
)
def test_a_picture_that_claims_60000_by_60000_pixels_costs_no_memory(name: str) -> None:
    data = claiming(name, 60_000, 60_000)
    tracemalloc.start()
    try:
        with pytest.raises(
            ImageTooLargeError, match="claims 60000 x 60000 pixels and the limit is 50000000"
        ) as caught:
            decode_image(data)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert (caught.value.width, caught.value.height) == (60_000, 60_000)


@pytest.mark.parametrize("name", ["420.jpg", "rgb.png", "palette.gif", "rgb.bmp"])
@pytest.mark.parametrize("size", [(0, 10), (10, 0), (0, 0)])
def test_a_picture_without_pixels_is_refused(name: str, size: tuple[int, int]) -> None:
    with pytest.raises(InvalidImageError, match=HEADLINES[name[-3:]]):
        decode_image(claiming(name, *size))


def test_limits_are_configurable() -> None:
    data, pixels = FILES["rgb.png"]
    height, width = pixels.shape[:2]
    decode_image(data, limits=ImageLimits(max_pixels=height * width, max_side=width))
    with pytest.raises(ImageTooLargeError, match=f"limit is {height * width - 1} pixels in all"):
        decode_image(data, limits=ImageLimits(max_pixels=height * width - 1))
    with pytest.raises(ImageTooLargeError, match=f"limit is {width - 1} pixels a side"):
        decode_image(data, limits=ImageLimits(max_side=width - 1))


def test_scans_of_a_progressive_jpeg_are_limited() -> None:
    data, _ = FILES["progressive.jpg"]
    scans = data.count(b"\xff\xda")
    assert scans > 1
    decode_image(data, limits=ImageLimits(max_jpeg_scans=scans))
    with pytest.raises(InvalidImageError, match=f"it has more than {scans - 1} scans"):
        decode_image(data, limits=ImageLimits(max_jpeg_scans=scans - 1))


@pytest.mark.parametrize("value", [0, -1, 1.5, True])
def test_a_limit_is_a_positive_whole_number(value: int) -> None:
    with pytest.raises(PreprocessSpecError, match="max_pixels"):
        ImageLimits(max_pixels=value)


def test_an_error_names_the_element_once_it_is_known() -> None:
    with pytest.raises(EmptyImageError) as caught:
        decode_image(b"")
    assert caught.value.element is None
    named = caught.value.with_element(3)
    assert type(named) is EmptyImageError
    assert named.element == 3
    assert str(named) == "Input is empty. Element 3 of the batch: got 0 bytes, expected an encoded picture."
    assert caught.value.element is None


def test_an_error_crosses_processes() -> None:
    with pytest.raises(ImageTooLargeError) as caught:
        decode_image(claiming("rgb.png", 60_000, 60_000))
    arrived = pickle.loads(pickle.dumps(caught.value.with_element(7)))  # noqa: S301  # our own bytes
    assert str(arrived) == str(caught.value.with_element(7))
    assert (type(arrived), arrived.width) == (ImageTooLargeError, 60_000)


@st.composite
def mutated_files(draw: st.DrawFn) -> bytes:
    data = bytearray(FILES[draw(st.sampled_from(sorted(FILES)))][0])
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data) - 1))
        match draw(st.sampled_from(["set", "cut", "insert", "end"])):
            case "set":
                data[place] = draw(st.integers(0, 255))
            case "cut":
                del data[place : place + draw(st.integers(1, 40))]
            case "insert":
                data[place:place] = draw(st.binary(max_size=16))
            case "end":
                del data[max(place, 8) :]
        if len(data) < 4:
            break
    return bytes(data)


@settings(max_examples=300, deadline=None)
@given(mutated_files())
def test_any_damage_gives_pixels_or_an_image_error(data: bytes) -> None:
    try:
        pixels = decode_image(data, limits=ImageLimits(max_pixels=1_000_000))
    except ImageError:
        return
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    assert min(pixels.shape) >= 1
