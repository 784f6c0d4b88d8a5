"""Odd pictures: files by number, the same bytes on every machine, each with a few properties that a tidy encoder avoids.

Every format is written byte by byte here, so that no library's version changes what a number means.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.odd_pictures import bmp, gif, jpeg, png, webp

_WRITERS = {"JPEG": jpeg, "PNG": png, "GIF": gif, "BMP": bmp, "WebP": webp}


@dataclass(frozen=True, slots=True)
class OddPicture:
    """A file that ``odd_picture`` made.

    Attributes:
        image_format: as ``InvalidImageError`` names it.
        oddities: what is unusual about it, for whoever reads a failure.
        is_damaged: a byte was changed, taken out or put in, or the end cut off, wherever that was.
        data: the file.
    """

    image_format: str
    oddities: tuple[str, ...]
    is_damaged: bool
    data: bytes


def odd_picture(number: int) -> OddPicture:
    """The picture of that number, any from 0."""
    chance = random.Random(number)
    image_format = list(_WRITERS)[number % len(_WRITERS)]
    oddities: list[str] = []
    data = _WRITERS[image_format].write(chance, oddities)
    is_damaged = chance.random() < 0.15
    if is_damaged:
        data = _damaged(chance, data, oddities)
    return OddPicture(image_format, tuple(oddities), is_damaged, data)


def _damaged(chance: random.Random, data: bytes, oddities: list[str]) -> bytes:
    place = chance.randrange(3, len(data))
    match chance.choice(("cut", "set", "insert", "remove")):
        case "cut":
            oddities.append(f"cut at {place} of {len(data)}")
            return data[:place]
        case "set":
            oddities.append(f"another byte at {place}")
            return data[:place] + bytes([chance.randrange(256)]) + data[place + 1 :]
        case "insert":
            oddities.append(f"a byte more at {place}")
            return data[:place] + bytes([chance.randrange(256)]) + data[place:]
        case _:
            oddities.append(f"a byte less at {place}")
            return data[:place] + data[place + 1 :]
