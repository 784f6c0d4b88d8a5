"""Pictures to send: a folder's as they are, photographs encoded again in a mix of sizes, or either decoded to tensors."""

from __future__ import annotations

import io
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from accelserve.loadgen.errors import LoadError
from accelserve.loadgen.plan import Pictures, PixelTensor, PixelType

DEFAULT_SIZES = "320:2,500:5,800:2,1600:1"
"""Longer side in pixels : share. Thumbnails, the 500 pixels of ImageNet's photographs, pages' and phones' pictures."""
JPEG_QUALITY = 90
_MAX_SIDE = 16384
RGB_CHANNELS = 3
_CHANNELS = (RGB_CHANNELS, 1)
_PIXEL_TYPES: tuple[PixelType, ...] = ("uint8", "float32")
_MAX_PIXEL_SIDE = 4096
PIXELS_FORM = "uint8:HxWx3 or float32:3xHxW, as in uint8:224x224x3"
_MAX_SHARE = 1000


def size_mix(text: str) -> dict[int, int]:
    """``"320:2,500:5"`` as {longer side in pixels: share}; a side alone has the share 1.

    Raises:
        ValueError: not of that form, a side beyond 1 to 16384, a share beyond 1 to 1000, or a side twice.
    """
    mix: dict[int, int] = {}
    for item in text.split(","):
        side_text, colon, share_text = item.strip().partition(":")
        if not _is_number(side_text) or not (_is_number(share_text) or not colon):
            raise ValueError(f"'{item.strip()}' is no size; expected SIDE:SHARE, as in {DEFAULT_SIZES}")
        side, share = int(side_text), int(share_text) if colon else 1
        if not 1 <= side <= _MAX_SIDE or not 1 <= share <= _MAX_SHARE:
            raise ValueError(
                f"'{item.strip()}': expected a side of 1 to {_MAX_SIDE} and a share of 1 to {_MAX_SHARE}"
            )
        if side in mix:
            raise ValueError(f"the side {side} stands there twice")
        mix[side] = share
    return mix


def resized(photographs: Mapping[str, bytes], mix: Mapping[int, int], seed: int) -> Pictures:
    """Every photograph as a JPEG of every size, in a shuffled order that holds each size by its share.

    Args:
        photographs: name -> encoded picture.
        mix: longer side in pixels -> share.
        seed: of the order.
    """
    files: list[bytes] = []
    order: list[int] = []
    for content in photographs.values():
        for side, share in mix.items():
            order += [len(files)] * share
            files.append(_jpeg(content, side))
    random.Random(seed).shuffle(order)  # noqa: S311 - no secret
    total = sum(mix.values())
    shares = ", ".join(f"{side} px {share / total:.0%}" for side, share in mix.items())
    description = (
        f"{len(photographs)} photographs as JPEGs of quality {JPEG_QUALITY}, the longer side {shares}"
    )
    return Pictures(files=files, order=order, description=description)


def of_files(paths: Sequence[Path], where: str, limit: int) -> Pictures:
    """Files as they are, in their order.

    Args:
        paths: of pictures.
        where: they come from, in words.
        limit: most files to use, evenly spread.

    Raises:
        LoadError: none of them.
        OSError: one cannot be read.
    """
    files = list(contents_of(paths, where, limit).values())
    return Pictures(files=files, order=range(len(files)), description=f"{_counted(len(files))} of {where}")


def contents_of(paths: Sequence[Path], where: str, limit: int) -> dict[str, bytes]:
    """Path -> content of at most ``limit`` files, evenly spread; LoadError if there is none, or one cannot be read."""
    if not paths:
        raise LoadError(f"{where} holds no picture.")
    count = min(limit, len(paths))
    chosen = [paths[index * len(paths) // count] for index in range(count)]
    try:
        return {str(path): path.read_bytes() for path in chosen}
    except OSError as error:
        raise LoadError(f"{error.filename}: {error.strerror}") from error


def pixel_tensor(text: str) -> PixelTensor:
    """``"uint8:224x224x3"`` read: a dtype, and the shape of a picture with 3 or 1 channels, the last or the first.

    Raises:
        ValueError: not of that form, another dtype, or a side beyond 1 to 4096.
    """
    name, _, shape_text = text.strip().partition(":")
    dtype = next((each for each in _PIXEL_TYPES if each == name), None)
    sizes = shape_text.split("x")
    if dtype is None or len(sizes) != 3 or not all(map(_is_number, sizes)):
        raise ValueError(f"'{text}' is no tensor of pixels; expected {PIXELS_FORM}")
    first, middle, last = map(int, sizes)
    is_last = last in _CHANNELS
    height, width, channels = (first, middle, last) if is_last else (middle, last, first)
    if channels not in _CHANNELS:
        raise ValueError(f"'{text}': expected 3 channels or 1, the last or the first of the three sizes")
    if not (1 <= height <= _MAX_PIXEL_SIDE and 1 <= width <= _MAX_PIXEL_SIDE):
        raise ValueError(f"'{text}': expected sides of 1 to {_MAX_PIXEL_SIDE}")
    return PixelTensor(dtype=dtype, height=height, width=width, channels=channels, channels_first=not is_last)


def decoded(pictures: Mapping[str, bytes], pixels: PixelTensor) -> Pictures:
    """Pictures as tensors: decoded, scaled to cover the size, what is beyond it cut off evenly. Once, before any is sent.

    Args:
        pictures: name -> encoded picture.
        pixels: what the input takes.

    Raises:
        LoadError: one of them cannot be decoded.
    """
    files = [_tensor_bytes(name, content, pixels) for name, content in pictures.items()]
    shape = "x".join(map(str, pixels.shape))
    return Pictures(
        files=files,
        order=range(len(files)),
        description=f"{_counted(len(files))}, decoded before to {pixels.dtype} {shape}",
    )


def _tensor_bytes(name: str, content: bytes, pixels: PixelTensor) -> bytes:
    try:
        with Image.open(io.BytesIO(content)) as opened:
            picture = opened.convert("RGB" if pixels.channels == RGB_CHANNELS else "L")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise LoadError(f"{name} cannot be decoded to pixels: {error}") from error
    fitted = ImageOps.fit(picture, (pixels.width, pixels.height), Image.Resampling.BILINEAR)
    levels = np.asarray(fitted).reshape(pixels.height, pixels.width, pixels.channels)
    if pixels.channels_first:
        levels = levels.transpose(2, 0, 1)
    if pixels.dtype == "uint8":
        return levels.tobytes()
    return (levels.astype("<f4") / np.float32(255)).tobytes()


def groups(pictures: Pictures, batch_size: int) -> list[list[bytes]]:
    """The pictures of each request, once through the order: so requests take about as much memory as the pictures."""
    order = list(pictures.order)
    return [
        [pictures.files[order[(begin * batch_size + offset) % len(order)]] for offset in range(batch_size)]
        for begin in range(-(-len(order) // batch_size))
    ]


def _counted(pictures: int) -> str:
    """``1 picture``, ``2 pictures``."""
    return f"{pictures} {'picture' if pictures == 1 else 'pictures'}"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10


def _jpeg(content: bytes, longer_side: int) -> bytes:
    with Image.open(io.BytesIO(content)) as opened:
        picture = opened.convert("RGB")
    ratio = longer_side / max(picture.size)
    size = (max(1, round(picture.width * ratio)), max(1, round(picture.height * ratio)))
    encoded = io.BytesIO()
    picture.resize(size, Image.Resampling.LANCZOS).save(encoded, "JPEG", quality=JPEG_QUALITY)
    return encoded.getvalue()
