"""How TensorFlow decodes odd pictures, and whether we decode them alike."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from accelserve.kernels.preprocess import ImageError, decode_image
from accelserve.kernels.preprocess.spec import ColorOrder
from tests.odd_pictures import OddPicture, odd_picture

Pixels = npt.NDArray[np.uint8]

RECORD = Path(__file__).parents[1] / "data" / "preprocess" / "odd_pictures.npz"
RECORDED = 10_000
FILES_A_DIGEST = 100
REFUSED, DIFFERENT_ON_PURPOSE = 0, 1

HAS_TENSORFLOW = importlib.util.find_spec("tensorflow") is not None

# Beginnings of what we say of files that TensorFlow may take; docs/pictures.md lists them.
_REFUSED_ON_PURPOSE = {
    "JPEG": (
        "Corrupt JPEG data: bad",
        "Corrupt JPEG data: premature end",
        "Corrupt JPEG data: found marker",
        "Inconsistent progression",
        "Premature end of JPEG file",
        "without the end marker",
    ),
    "PNG": ("incorrect data check", "its data has no end", "without a complete IHDR chunk"),
    "GIF": ("does not decode", "code size is below 2"),
    "BMP": ("its rows are compressed",),
    "WebP": ("does not decode",),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """Pixels, or why the file is refused.

    Attributes:
        pixels: uint8 [height, width, channels], None if the file is refused.
        refusal: the error's sentence; empty if it is not refused.
    """

    pixels: Pixels | None
    refusal: str = ""

    @property
    def fingerprint(self) -> int:
        """Of the pixels and their shape; ``REFUSED`` without pixels."""
        if self.pixels is None:
            return REFUSED
        digest = hashlib.sha256(repr(self.pixels.shape).encode() + self.pixels.tobytes()).digest()
        return int.from_bytes(digest[:4], "little") | 2  # neither of the two special values


def ours(data: bytes, order: ColorOrder = "RGB") -> Answer:
    """What ``decode_image`` says; any other exception than ``ImageError`` is a fault and goes on."""
    try:
        return Answer(decode_image(data, order))
    except ImageError as error:
        return Answer(None, str(error))


def tensorflows(data: bytes, channels: int = 3) -> Answer:
    """What TensorFlow's ``decode_image`` says."""
    import tensorflow as tf

    try:
        return Answer(np.asarray(tf.io.decode_image(data, channels=channels, expand_animations=False)))
    except tf.errors.InvalidArgumentError as error:
        return Answer(None, error.message)


def is_deliberate(picture: OddPicture, here: Answer, there: Answer) -> bool:
    """Whether a difference is one that docs/pictures.md lists."""
    is_animated = any(oddity.startswith("frame 1 of") for oddity in picture.oddities)
    if picture.image_format == "GIF" and picture.is_damaged and is_animated:
        return (
            True  # later frames are not decoded, so that damage there goes unnoticed, or means something else
        )
    if here.pixels is None:
        reasons = _REFUSED_ON_PURPOSE[picture.image_format]
        return there.pixels is not None and any(reason in here.refusal for reason in reasons)
    if there.pixels is None or there.pixels.shape != here.pixels.shape:
        return False
    if picture.image_format == "JPEG":
        return (
            picture.is_damaged
        )  # two releases of libjpeg-turbo garble damaged data in two ways, now and then
    return picture.image_format == "BMP" and picture.data[28:30] == b"\x08\0"  # a palette


def agreed(picture: OddPicture, here: Answer, there: Answer) -> bool:
    """The same pixels, the same refusal, or a difference that is meant."""
    return here.fingerprint == there.fingerprint or is_deliberate(picture, here, there)


def digest_of_files(block: int) -> int:
    """Of the files of ``FILES_A_DIGEST`` numbers: whether they are those that the record was made of."""
    first = block * FILES_A_DIGEST
    digest = hashlib.sha256()
    for number in range(first, first + FILES_A_DIGEST):
        digest.update(odd_picture(number).data)
    return int.from_bytes(digest.digest()[:4], "little")
