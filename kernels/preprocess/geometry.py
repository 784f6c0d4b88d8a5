"""Where the network's window lies in a picture: sizes after the resize and the crop's corner."""

from __future__ import annotations

import dataclasses

import numpy as np

from accelserve.kernels.preprocess.spec import PreprocessSpec


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What the network sees of the resized picture, in pixels of the resized picture.

    Attributes:
        resized_height: rows after the resize.
        resized_width: columns after the resize.
        top: first row of the window; below 0 if so many rows of padding lie above the picture.
        left: first column of the window, likewise.
    """

    resized_height: int
    resized_width: int
    top: int
    left: int


def crop_window(spec: PreprocessSpec, height: int, width: int) -> Window:
    """The window that a picture of ``height`` x ``width`` pixels gets.

    Args:
        spec: the sizes and their rules.
        height: rows of the decoded picture, at least 1.
        width: columns of the decoded picture, at least 1.
    """
    if spec.resize == "letterbox" and spec.size_rule == "float32-product":
        return _tensorflow_letterbox(spec, height, width)
    resized_height, resized_width = _resized_size(spec, height, width)
    return Window(
        resized_height=resized_height,
        resized_width=resized_width,
        top=_offset(spec, resized_height - spec.crop_height),
        left=_offset(spec, resized_width - spec.crop_width),
    )


def _resized_size(spec: PreprocessSpec, height: int, width: int) -> tuple[int, int]:
    match spec.resize:
        case "exact":
            return spec.resize_height, spec.resize_width
        case "letterbox":
            fits_by_width = width * spec.resize_height >= height * spec.resize_width
        case "shorter-side":
            fits_by_width = width <= height
    if spec.resize == "shorter-side" and spec.size_rule == "float32-product":
        factor = np.float32(spec.resize_height / min(height, width))
        sides = (int(np.float32(height) * factor), int(np.float32(width) * factor))
    elif fits_by_width:
        sides = (_quotient(spec, height, width, spec.resize_width), spec.resize_width)
    else:
        sides = (spec.resize_height, _quotient(spec, width, height, spec.resize_height))
    if spec.resize == "letterbox":
        return max(sides[0], 1), max(sides[1], 1)
    # the float32 product may fall one short of the target, and the crop must still fit
    return max(sides[0], spec.crop_height), max(sides[1], spec.crop_width)


def _quotient(spec: PreprocessSpec, side: int, other: int, target: int) -> int:
    """``side`` after a resize that makes ``other`` the target."""
    if spec.size_rule == "rounded-quotient":
        return round(side / other * target)
    return target * side // other


def _tensorflow_letterbox(spec: PreprocessSpec, height: int, width: int) -> Window:
    """As ``tf.image.resize_with_pad``, in float32: its margins come of the sizes before they are cut to whole pixels.

    Source: tensorflow/python/ops/image_ops_impl.py (``_resize_image_with_pad_common``).
    """
    targets = np.array([spec.resize_height, spec.resize_width], np.float32)
    sides = np.array([height, width], np.float32)
    fitted = sides / (sides / targets).max()
    resized_height, resized_width = (max(int(side), 1) for side in fitted)
    if spec.crop_offset == "floor":
        top, left = (-max(int(margin), 0) for margin in (targets - fitted) / np.float32(2))
    else:
        top, left = (
            _offset(spec, resized_height - spec.crop_height),
            _offset(spec, resized_width - spec.crop_width),
        )
    return Window(resized_height=resized_height, resized_width=resized_width, top=top, left=left)


def _offset(spec: PreprocessSpec, margin: int) -> int:
    """Where the window begins; a negative margin is padding, and its half is counted as a positive one's."""
    half = abs(margin) // 2 if spec.crop_offset == "floor" else round(abs(margin) / 2)
    return half if margin >= 0 else -half
