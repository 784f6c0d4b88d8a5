"""Calibration pictures: a folder of photographs, preprocessed as they will be when they are served."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.preprocess import ImageError, PreprocessSpec, preprocess_float, transform_float
from accelserve.models.errors import CalibrationError
from accelserve.models.quantize.synthetic import dead_leaves

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp"))
SYNTHETIC_COUNT = 16

Floats = NDArray[np.float32]


@dataclass(slots=True)
class Pictures:
    """Pictures to calibrate or evaluate on, read one at a time.

    Attributes:
        paths: the files, in order.
        skipped: (file, reason) of those that turned out to be unusable; filled while they are read.
    """

    paths: tuple[Path, ...]
    skipped: list[tuple[Path, str]] = field(default_factory=list)

    @classmethod
    def of_folder(cls, folder: Path, limit: int) -> Pictures:
        """Pictures of a folder and its subfolders, by name; ``limit`` of them, evenly spread, if there are more.

        Raises:
            CalibrationError: there is none.
        """
        found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not found:
            raise CalibrationError(
                f"{folder} holds no picture; expected files ending in {', '.join(sorted(SUFFIXES))}"
            )
        return cls(tuple(_spread(found, limit)))

    def preprocessed(self, spec: PreprocessSpec) -> Iterator[Floats]:
        """Each usable picture, float32 [1, H, W, C]."""
        for path in self.paths:
            try:
                yield preprocess_float(spec, path.read_bytes())[None]
            except (ImageError, OSError) as error:
                self.skipped.append((path, str(error)))


def synthetic(spec: PreprocessSpec, count: int = SYNTHETIC_COUNT) -> Iterator[Floats]:
    """Generated pictures through the same preprocessing, float32 [1, H, W, C]."""
    for picture in dead_leaves(count, spec.resize_height, spec.resize_width):
        yield transform_float(spec, np.ascontiguousarray(picture[..., : spec.channels]))[None]


def _spread(paths: Sequence[Path], limit: int) -> list[Path]:
    if len(paths) <= limit:
        return list(paths)
    return [paths[i * len(paths) // limit] for i in range(limit)]
