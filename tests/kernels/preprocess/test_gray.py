"""``color_order: "GRAY"``: the bytes of TensorFlow's ``decode_image(channels=1)``, recorded and, where it is there, asked."""

from __future__ import annotations

import importlib.util
import io
import struct
import zlib
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from accelserve.kernels.preprocess import (
    InvalidImageError,
    Preprocessor,
    PreprocessSpec,
    PreprocessSpecError,
    decode_image,
    preprocess_float,
)

FOLDER = Path(__file__).parents[2] / "data" / "preprocess"
# Pixels by name, or an empty array for a refusal, from tensorflow-cpu 2.21.0.
RECORDED = FOLDER / "gray.npz"

Samples = npt.NDArray[np.uint16]


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def gamma(value: int) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", value))


def png(samples: npt.NDArray[np.integer], depth: int, kind: int, *before_pixels: bytes) -> bytes:
    height, width = samples.shape[:2]
    rows = samples.astype(">u2" if depth == 16 else np.uint8).reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    chunks = chunk(b"IHDR", header), *before_pixels, chunk(b"IDAT", pixels), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def samples(bits: int, channels: int) -> Samples:
    """Every value of a byte, in colours and in grey."""
    grid = np.arange(48 * 48 * channels, dtype=np.uint32).reshape(48, 48, channels) * 40503 >> 3 & 0xFFFF
    grid[:16] = grid[:16, :, :1]
    return (grid >> (16 - bits)).astype(np.uint16)


def pngs() -> dict[str, bytes]:
    rgb, wide = samples(8, 3), samples(16, 3)
    srgb = chunk(b"sRGB", b"\0")
    palette = chunk(b"PLTE", samples(8, 3).astype(np.uint8).reshape(-1, 3)[-256:].tobytes())
    gammas = (1, 16, 30000, 45455, 94999, 95000, 96000, 100000, 105000, 105001, 220000, 600000000, 2**31 - 1)
    files = {f"gamma {value}": png(rgb, 8, 2, gamma(value)) for value in gammas}
    return files | {
        "rgb": png(rgb, 8, 2),
        "rgba": png(samples(8, 4), 8, 6),
        "grey with alpha": png(samples(8, 2), 8, 4),
        "sRGB wins over gAMA before it": png(rgb, 8, 2, gamma(50000), srgb),
        "sRGB wins over gAMA behind it": png(rgb, 8, 2, srgb, gamma(50000)),
        "palette": png(rgb[..., 0], 8, 3, palette),
        "palette with gamma": png(rgb[..., 0], 8, 3, gamma(45455), palette),
        "palette with transparency": png(rgb[..., 0], 8, 3, palette, chunk(b"tRNS", bytes(range(256)))),
        "transparent colour": png(rgb, 8, 2, chunk(b"tRNS", bytes(6))),
        "grey with gamma": png(rgb[..., 0], 8, 0, gamma(45455)),
        "16 bits": png(wide, 16, 2),
        "16 bits with alpha": png(samples(16, 4), 16, 6),
        "16 bits with gamma": png(wide, 16, 2, gamma(45455)),
        "16 bits with another gamma": png(wide, 16, 2, gamma(70000)),
        "16 bits of grey": png(wide[..., 0], 16, 0),
    }


def others() -> dict[str, bytes]:
    picture = Image.fromarray(samples(8, 3).astype(np.uint8))
    made: dict[str, tuple[Image.Image, str, dict[str, object]]] = {
        "jpeg": (picture, "JPEG", {}),
        "jpeg 4:4:4, progressive": (picture, "JPEG", {"subsampling": 0, "progressive": True}),
        "jpeg of RGB samples": (picture, "JPEG", {"keep_rgb": True}),
        "jpeg of CMYK samples": (picture.convert("CMYK"), "JPEG", {}),
        "grey jpeg": (picture.convert("L"), "JPEG", {}),
        "one bit": (picture.convert("1"), "PNG", {}),
        "gif": (picture.convert("L"), "GIF", {}),
        "bmp": (picture, "BMP", {}),
        "grey bmp": (picture.convert("L"), "BMP", {}),
    }
    files = {}
    for name, (source, image_format, options) in made.items():
        buffer = io.BytesIO()
        source.save(buffer, image_format, **options)
        files[name] = buffer.getvalue()
    return files


def photographs() -> dict[str, bytes]:
    with np.load(FOLDER / "decoded.npz") as arrays:
        names = [key.removesuffix("__file") for key in arrays.files if key.endswith("__file")]
        return {name: arrays[f"{name}__file"].tobytes() for name in names}


FILES = pngs() | photographs() | others()


def tensorflows(data: bytes) -> npt.NDArray[np.uint8]:
    import tensorflow as tf

    try:
        return np.asarray(tf.io.decode_image(data, channels=1, expand_animations=False))
    except tf.errors.InvalidArgumentError:
        return np.zeros((0, 0, 1), np.uint8)


def recorded(name: str) -> npt.NDArray[np.uint8]:
    with np.load(RECORDED) as arrays:
        return np.asarray(arrays[name])


def check(data: bytes, expected: npt.NDArray[np.uint8]) -> None:
    if not expected.size:
        with pytest.raises(InvalidImageError, match="grey"):
            decode_image(data, "GRAY")
        return
    pixels = decode_image(data, "GRAY")
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize("name", FILES)
def test_grey_equals_tensorflows(name: str) -> None:
    check(FILES[name], recorded(name))


@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="run `make test-tensorflow`")
@pytest.mark.parametrize("name", FILES)
def test_the_record_is_what_tensorflow_says(name: str) -> None:
    np.testing.assert_array_equal(recorded(name), tensorflows(FILES[name]))


def spec(color_order: str = "GRAY", **changes: object) -> PreprocessSpec:
    fields: dict[str, object] = {
        "resize": "exact", "resize_height": 20, "resize_width": 24, "interpolation": "bilinear",
        "crop_height": 20, "crop_width": 24, "color_order": color_order, "mean": [100.0], "scale": [0.02],
    }  # fmt: skip
    return PreprocessSpec.from_json(fields | changes)


@pytest.mark.parametrize(
    "interpolation", ["bilinear-legacy", "bilinear", "bilinear-antialias", "bicubic-antialias"]
)
def test_one_channel_goes_the_way_of_each_of_three(cat: bytes, interpolation: str) -> None:
    """Grey as a picture of three equal channels, through the passes for colour, is the judge."""
    buffer = io.BytesIO()
    Image.fromarray(np.repeat(decode_image(cat, "GRAY"), 3, axis=2)).save(buffer, "PNG")
    one = spec(interpolation=interpolation)
    three = spec("RGB", interpolation=interpolation, mean=[100.0] * 3, scale=[0.02] * 3)
    np.testing.assert_array_equal(
        preprocess_float(one, cat), preprocess_float(three, buffer.getvalue())[..., :1]
    )
    quantized = partial(Preprocessor, input_scale=0.03, input_zero_point=128)
    made = quantized(one).run([cat, cat])
    assert made.shape == (2, 20, 24, 1)
    np.testing.assert_array_equal(made, quantized(three).run([buffer.getvalue()] * 2)[..., :1])


def test_grey_has_one_mean_and_one_scale() -> None:
    assert spec(scale=()).scale == (1.0,)
    assert PreprocessSpec.from_json(spec().to_json()) == spec()
    with pytest.raises(PreprocessSpecError, match="expected one number, since grey has one channel"):
        spec(mean=[0.0, 0.0, 0.0])
