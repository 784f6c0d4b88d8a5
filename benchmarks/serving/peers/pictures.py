"""JPEG to a network's input by Pillow and numpy, as the servable's description says."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Tensor = NDArray[np.float32]


def reader(spec: Mapping[str, Any]) -> Callable[[bytes], Pixels]:
    """A function from a file to uint8 [H, W, 3]: decoded, resized, cropped, channels in the network's order.

    Args:
        spec: the fields of ``servable.json``. The resizes of the networks measured here are known: Pillow's antialiased
            bilinear, which torchvision has as well, and the plain bilinear of half-pixel centres.
    """
    height, width = spec["crop_height"], spec["crop_width"]
    flip = spec["color_order"] == "BGR"

    def read(content: bytes) -> Pixels:
        with Image.open(io.BytesIO(content)) as opened:
            picture = opened.convert("RGB")
        size = _size(spec, *picture.size)
        if spec["interpolation"] == "bilinear-antialias":
            picture = picture.resize(size, Image.Resampling.BILINEAR)
        else:
            shrink = picture.width / size[0], 0, 0, 0, picture.height / size[1], 0
            picture = picture.transform(size, Image.Transform.AFFINE, shrink, Image.Resampling.BILINEAR)
        left, top = round((size[0] - width) / 2), round((size[1] - height) / 2)
        pixels = np.asarray(picture.crop((left, top, left + width, top + height)))
        return pixels[..., ::-1] if flip else pixels

    return read


def _size(spec: Mapping[str, Any], width: int, height: int) -> tuple[int, int]:
    if spec["resize"] == "exact":
        return spec["resize_width"], spec["resize_height"]
    shorter = spec["resize_width"]
    if width > height:
        return shorter * width // height, shorter
    return shorter, shorter * height // width


def normalizer(spec: Mapping[str, Any]) -> Callable[[list[Pixels]], Tensor]:
    """A function from pictures to float32 [N, 3, H, W]."""
    mean = np.asarray(spec["mean"], np.float32)[:, None, None]
    scale = np.asarray(spec.get("scale") or [1.0] * 3, np.float32)[:, None, None]

    def normalize(pictures: list[Pixels]) -> Tensor:
        batch = np.empty((len(pictures), 3, *pictures[0].shape[:2]), np.float32)
        for image, pixels in zip(batch, pictures, strict=True):
            np.subtract(pixels.transpose(2, 0, 1), mean, out=image)
            np.multiply(image, scale, out=image)
        return batch

    return normalize
