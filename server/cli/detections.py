"""Detections as a person wants them: places in pixels, names, boxes drawn into the picture."""

from __future__ import annotations

import colorsys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_NEEDED = ("detection_boxes", "detection_scores", "detection_classes", "num_detections")
_JPEG_QUALITY = 92
_GOLDEN_RATIO = 0.618033988749895  # steps of it spread hues evenly, however many classes there are
_BRIGHT = 140  # luma of 255 above which text is black


@dataclass(frozen=True, slots=True)
class Detection:
    """One object in one picture.

    Attributes:
        name: of its class.
        class_index: among the detector's classes.
        score: 0..1.
        box: left, top, right, bottom, pixels of the picture.
    """

    name: str
    class_index: int
    score: float
    box: tuple[float, float, float, float]

    def __str__(self) -> str:
        left, top, right, bottom = (round(place) for place in self.box)
        return f"{self.name} at {left},{top} to {right},{bottom}"


def are_detections(outputs: Mapping[str, object]) -> bool:
    """Whether a model's outputs are those of TensorFlow's object detection."""
    return all(name in outputs for name in _NEEDED)


def detections_of(
    outputs: Mapping[str, NDArray[Any]], names: Sequence[str], size: tuple[int, int], min_score: float
) -> list[Detection]:
    """The objects of one picture, the surest first.

    Args:
        outputs: of one picture, without the batch: boxes [M, 4] (top, left, bottom, right in 0..1), scores [M], classes
            [M], and the number of rows that count.
        names: of the classes; may be empty.
        size: width and height of the picture, pixels.
        min_score: rows below are left out.
    """
    boxes, scores, classes, count = (outputs[name] for name in _NEEDED)
    width, height = size
    found = []
    for row in range(int(count)):
        if scores[row] >= min_score:
            top, left, bottom, right = (float(place) for place in boxes[row])
            index = int(classes[row])
            name = names[index] if index < len(names) else f"class {index}"
            box = (left * width, top * height, right * width, bottom * height)
            found.append(Detection(name, index, float(scores[row]), box))
    return found


def image_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels, as stored: like the server, without a look at EXIF's orientation."""
    with Image.open(path) as opened:
        return opened.size


def draw_detections(path: Path, detections: Iterable[Detection], target: Path) -> None:
    """Write a JPEG of the picture with boxes, names and scores.

    Raises:
        ImageError: the picture cannot be decoded.
        OSError: the file cannot be written.
    """
    from accelserve.kernels.preprocess import decode_image  # brings a compiler, which the table does without

    image = Image.fromarray(decode_image(path.read_bytes()))
    shorter = min(image.size)
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(max(11, shorter // 30))
    # The surest last, so that it lies on top.
    for detection in reversed(list(detections)):
        _draw(pen, detection, font, line=max(2, shorter // 200))
    image.save(target, "JPEG", quality=_JPEG_QUALITY)


def file_names(paths: Sequence[Path]) -> list[str]:
    """A name ``STEM.jpg`` for each picture; equal stems are numbered."""
    taken: Counter[str] = Counter()
    given: dict[str, None] = {}
    for path in paths:
        taken[path.stem] += 1
        name = f"{path.stem}.jpg" if taken[path.stem] == 1 else f"{path.stem}-{taken[path.stem]}.jpg"
        while name in given:
            taken[path.stem] += 1
            name = f"{path.stem}-{taken[path.stem]}.jpg"
        given[name] = None
    return list(given)


def color_of(class_index: int) -> tuple[int, int, int]:
    """Red, green, blue of a class: always the same, and unlike its neighbours'."""
    red, green, blue = colorsys.hsv_to_rgb(class_index * _GOLDEN_RATIO % 1.0, 0.85, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def _draw(
    pen: ImageDraw.ImageDraw,
    detection: Detection,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    line: int,
) -> None:
    color = color_of(detection.class_index)
    left, top, right, bottom = detection.box
    pen.rectangle((left, top, max(left, right - 1), max(top, bottom - 1)), outline=color, width=line)
    text = f"{detection.name} {detection.score:.2f}"
    _, _, text_width, text_height = pen.textbbox((0, 0), text, font=font)
    above = top - text_height - line
    place = (left, above if above >= 0 else top)
    pen.rectangle((*place, place[0] + text_width + 2 * line, place[1] + text_height + line), fill=color)
    luma = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]
    ink = (0, 0, 0) if luma > _BRIGHT else (255, 255, 255)
    pen.text((place[0] + line, place[1]), text, fill=ink, font=font)
