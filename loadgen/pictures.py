"""Pictures to send: a folder's as they are, or photographs encoded again in a mix of sizes."""

from __future__ import annotations

import io
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from accelserve.loadgen.errors import LoadError
from accelserve.loadgen.plan import Pictures

DEFAULT_SIZES = "320:2,500:5,800:2,1600:1"
"""Longer side in pixels : share. Thumbnails, the 500 pixels of ImageNet's photographs, pages' and phones' pictures."""
JPEG_QUALITY = 90
_MAX_SIDE = 16384
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
    if not paths:
        raise LoadError(f"{where} holds no picture.")
    count = min(limit, len(paths))
    chosen = [paths[index * len(paths) // count] for index in range(count)]
    files = [path.read_bytes() for path in chosen]
    return Pictures(files=files, order=range(len(files)), description=f"{len(files)} pictures of {where}")


def groups(pictures: Pictures, batch_size: int) -> list[list[bytes]]:
    """The pictures of each request, once through the order: so requests take about as much memory as the pictures."""
    order = list(pictures.order)
    return [
        [pictures.files[order[(begin * batch_size + offset) % len(order)]] for offset in range(batch_size)]
        for begin in range(-(-len(order) // batch_size))
    ]


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
