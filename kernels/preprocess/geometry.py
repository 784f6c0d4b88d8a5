"""Where the network's window lies in a picture: sizes after the resize and the crop's corner."""

from __future__ import annotations

import dataclasses

import numpy as np

from accelserve.kernels.preprocess.spec import PreprocessSpec


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The crop within the resized picture, in pixels of the resized picture.

    Attributes:
        resized_height: rows after the resize.
        resized_width: columns after the resize.
        top: first row of the crop.
        left: first column of the crop.
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
    resized_height, resized_width = _resized_size(spec, height, width)
    return Window(
        resized_height=resized_height,
        resized_width=resized_width,
        top=_offset(spec, resized_height - spec.crop_height),
        left=_offset(spec, resized_width - spec.crop_width),
    )


def _resized_size(spec: PreprocessSpec, height: int, width: int) -> tuple[int, int]:
    if spec.resize == "exact":
        return spec.resize_height, spec.resize_width
    target, shorter = spec.resize_height, min(height, width)
    if spec.size_rule == "integer-quotient":
        sides = (target * height // shorter, target * width // shorter)
    else:
        factor = np.float32(target / shorter)
        sides = (int(np.float32(height) * factor), int(np.float32(width) * factor))
    # the float32 product may fall one short of the target, and the crop must still fit
    return max(sides[0], spec.crop_height), max(sides[1], spec.crop_width)


def _offset(spec: PreprocessSpec, margin: int) -> int:
    return margin // 2 if spec.crop_offset == "floor" else round(margin / 2)
