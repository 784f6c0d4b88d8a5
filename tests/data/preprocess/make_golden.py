"""Compute the golden arrays beside this file with TensorFlow itself. Run by hand; tests only read the result.

python -m venv golden && golden/bin/pip install tensorflow-cpu==2.21.0 scikit-image scikit-learn simplejpeg
golden/bin/python tests/data/preprocess/make_golden.py
"""

from __future__ import annotations

import importlib
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import simplejpeg  # type: ignore[import-untyped]  # its hints lack the py.typed marker
import skimage
import sklearn.datasets
from PIL import Image

HERE = Path(__file__).parent
SKIMAGE_DATA = Path(skimage.__file__).parent / "data"
CAFFE_MEAN = np.array([123.68, 116.779, 103.939], np.float32)
STEP = 11  # only every eleventh row and column is kept


def photographs() -> dict[str, Path]:
    """Photographs that scikit-image and scikit-learn ship inside their wheels."""
    names = (
        "astronaut.png",
        "chelsea.png",
        "coffee.png",
        "rocket.jpg",
        "retina.jpg",
        "hubble_deep_field.jpg",
    )
    shipped = {name: SKIMAGE_DATA / name for name in names}
    samples = Path(sklearn.datasets.__file__).parent / "images"
    return shipped | {name: samples / name for name in ("china.jpg", "flower.jpg")}


def encoded(picture: Image.Image, image_format: str, **options: Any) -> bytes:
    """The picture's file."""
    buffer = io.BytesIO()
    picture.save(buffer, image_format, **options)
    return buffer.getvalue()


def png_of_16_bits(samples: npt.NDArray[np.uint16], color_type: int) -> bytes:
    """A PNG with 16-bit samples, which Pillow writes for grey only."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width = samples.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def without_segment(jpeg: bytes, marker: int) -> bytes:
    """The JPEG without its first segment of that marker."""
    start = jpeg.find(bytes([0xFF, marker]))
    length = int.from_bytes(jpeg[start + 2 : start + 4], "big")
    return jpeg[:start] + jpeg[start + 2 + length :]


def as_ycck(jpeg: bytes) -> bytes:
    """The CMYK JPEG with Adobe's transform flag set to YCCK."""
    start = jpeg.find(b"\xff\xee")
    flag = start + 1 + int.from_bytes(jpeg[start + 2 : start + 4], "big")
    return jpeg[:flag] + b"\x02" + jpeg[flag + 1 :]


def small_files() -> dict[str, bytes]:
    """One small file of each variant that a client may send."""
    cat = Image.open(SKIMAGE_DATA / "chelsea.png").convert("RGB").crop((90, 60, 137, 97))
    red, green, blue = cat.split()
    grey = cat.convert("L")
    cmyk = encoded(cat.convert("CMYK"), "JPEG", quality=90)
    exif = Image.Exif()
    exif[0x112] = 6  # orientation: rotate by 90 degrees
    palette = cat.quantize(64)
    rng = np.random.default_rng(16)
    sixteen = {
        f"{name}-16.png": png_of_16_bits(rng.integers(0, 65536, (11, 13, samples), np.uint16), color_type)
        for name, color_type, samples in (("rgb", 2, 3), ("rgba", 6, 4), ("grey-alpha", 4, 2), ("grey", 0, 1))
    }
    subsampled = {
        f"{factors}.jpg": simplejpeg.encode_jpeg(np.asarray(cat).copy(), 85, "RGB", factors)
        for factors in ("444", "422", "420", "440", "411")
    }
    return {
        "progressive.jpg": encoded(cat, "JPEG", quality=80, progressive=True),
        "grey.jpg": encoded(grey, "JPEG"),
        "restart-markers.jpg": encoded(cat, "JPEG", restart_marker_blocks=2),
        "exif-rotated.jpg": encoded(cat, "JPEG", exif=exif),
        "one-pixel.jpg": encoded(cat.crop((0, 0, 1, 1)), "JPEG"),
        "cmyk-adobe.jpg": cmyk,
        "cmyk-plain.jpg": without_segment(cmyk, 0xEE),
        "ycck.jpg": as_ycck(cmyk),
        "trailing-zeros.jpg": encoded(cat, "JPEG") + bytes(40),
        "rgb.png": encoded(cat, "PNG"),
        "rgba.png": encoded(Image.merge("RGBA", (red, green, blue, grey)), "PNG"),
        "grey.png": encoded(grey, "PNG"),
        "grey-alpha.png": encoded(cat.convert("LA"), "PNG"),
        "one-bit.png": encoded(cat.convert("1"), "PNG"),
        "palette.png": encoded(palette, "PNG"),
        "palette-transparency.png": encoded(palette, "PNG", transparency=bytes(range(0, 128, 2))),
        "rgb-transparent-color.png": encoded(cat, "PNG", transparency=(10, 20, 30)),
        "palette.gif": encoded(palette, "GIF"),
        "two-frames.gif": encoded(grey, "GIF", save_all=True, append_images=[red]),
        "rgb.bmp": encoded(cat, "BMP"),
        "rgba.bmp": encoded(cat.convert("RGBA"), "BMP"),
    } | sixteen | subsampled  # fmt: skip


def main() -> None:
    """Write ``tensorflow.npz`` and ``decoded.npz``."""
    tf = importlib.import_module("tensorflow")

    def resized(path: Path, height: int | None) -> npt.NDArray[np.float32]:
        image = tf.cast(tf.io.decode_image(path.read_bytes(), 3, expand_animations=False), tf.float32)
        sides = np.array(image.shape[:2])
        target = (
            [300, 300]
            if height is None
            else (np.float32(height / sides.min()) * sides.astype(np.float32)).astype(int)
        )
        result = tf.compat.v1.image.resize_bilinear(image[None], target, align_corners=False)[0].numpy()
        if height is not None:
            top, left = (int((side - 224) / 2) for side in result.shape[:2])
            result = result[top : top + 224, left : left + 224]
        return np.asarray(result - CAFFE_MEAN)

    golden = {}
    for name, path in photographs().items():
        golden[f"{name}__imagenet-caffe"] = resized(path, 256)[::STEP, ::STEP]
        golden[f"{name}__ssd-caffe"] = resized(path, None)[::STEP, ::STEP]
    np.savez_compressed(HERE / "tensorflow.npz", allow_pickle=False, **golden)
    decoded = {}
    for name, data in small_files().items():
        decoded[f"{name}__file"] = np.frombuffer(data, np.uint8)
        decoded[f"{name}__pixels"] = tf.io.decode_image(data, 3, expand_animations=False).numpy()
    np.savez_compressed(HERE / "decoded.npz", allow_pickle=False, **decoded)


if __name__ == "__main__":
    main()
