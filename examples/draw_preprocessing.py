"""Draws the pictures of docs/preprocessing.md: ``python -m examples.draw_preprocessing``.

Each shows what ``accelserve preprocess --view`` writes: the network's input before the means and scales.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import skimage
from PIL import Image, ImageDraw

from accelserve.kernels.preprocess import PreprocessSpec, preprocess_float

IMAGES = Path(__file__).parents[1] / "docs" / "images"
PHOTOGRAPH = Path(skimage.__file__).parent / "data" / "rocket.jpg"
SIDE = 224
MARGIN = 8
CAPTION = 20
ENLARGED = 4
DETAIL = (slice(84, 140), slice(84, 140))  # of the cropped picture: where the rocket is held


def seen(**fields: Any) -> Image.Image:
    """The photograph as a network with these fields sees it."""
    document = {
        "resize": "shorter-side", "resize_height": 256, "resize_width": 256, "interpolation": "bilinear-antialias",
        "crop_height": SIDE, "crop_width": SIDE, "color_order": "RGB", "mean": [0, 0, 0],
    }  # fmt: skip
    values = preprocess_float(PreprocessSpec.from_json(document | fields), PHOTOGRAPH.read_bytes())
    pixels = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return Image.fromarray(np.repeat(pixels, 3 // pixels.shape[2], axis=2))


def detail(picture: Image.Image) -> Image.Image:
    """A part of it, each pixel a square."""
    part = Image.fromarray(np.asarray(picture)[DETAIL])
    return part.resize((part.width * ENLARGED, part.height * ENLARGED), Image.Resampling.NEAREST)


def sheet(name: str, panels: Sequence[tuple[str, Image.Image]]) -> None:
    """The panels in a row, with what they show below."""
    width = sum(picture.width + MARGIN for _, picture in panels) + MARGIN
    height = max(picture.height for _, picture in panels) + 2 * MARGIN + CAPTION
    whole = Image.new("RGB", (width, height), "white")
    draw, left = ImageDraw.Draw(whole), MARGIN
    for caption, picture in panels:
        whole.paste(picture, (left, MARGIN))
        draw.text((left, height - CAPTION - MARGIN // 2), caption, fill="black", font_size=14)
        left += picture.width + MARGIN
    whole.save(IMAGES / name, quality=85)


def main() -> None:
    """Write the three sheets."""
    IMAGES.mkdir(exist_ok=True)
    fixed = {"resize_height": SIDE, "resize_width": SIDE}
    photograph = Image.open(PHOTOGRAPH)
    photograph.thumbnail((2 * SIDE, SIDE))
    sheet("resize.jpg", [
        ("the photograph", photograph),
        ("shorter-side 256, crop 224", seen()),
        ("exact 224 x 224", seen(resize="exact", **fixed)),
        ("letterbox 224 x 224, pad 114", seen(resize="letterbox", pad=[114] * 3, **fixed)),
    ])  # fmt: skip
    kinds = ("bilinear-legacy", "bilinear", "bilinear-antialias", "bicubic-antialias")
    sheet("interpolation.png", [(kind, detail(seen(interpolation=kind))) for kind in kinds])
    sheet("color-order.jpg", [
        ("RGB", seen()),
        ("BGR, shown as if it were RGB", seen(color_order="BGR")),
        ("GRAY", seen(color_order="GRAY", mean=[0])),
    ])  # fmt: skip


if __name__ == "__main__":
    main()
