"""Photographs that test packages ship inside their wheels, and the trained network that looks at them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import skimage
import sklearn.datasets
from numpy.typing import NDArray

from accelserve.kernels.preprocess import PRESETS, preprocess_float

SPEC = PRESETS["open-nsfw"]
SCIKIT_IMAGE = Path(skimage.__file__).parent / "data"
SCIKIT_LEARN = Path(sklearn.datasets.__file__).parent / "images"

CALIBRATION = [
    SCIKIT_IMAGE / name
    for name in ("astronaut.png", "rocket.jpg", "retina.jpg", "motorcycle_left.png", "ihc.png")
]
CALIBRATION.append(SCIKIT_LEARN / "flower.jpg")
EVALUATION = [SCIKIT_IMAGE / "chelsea.png", SCIKIT_IMAGE / "coffee.png", SCIKIT_LEARN / "china.jpg"]


@cache
def calibration() -> NDArray[np.float32]:
    """Preprocessed for open_nsfw, [6, 224, 224, 3]."""
    return np.stack([preprocess_float(SPEC, path.read_bytes()) for path in CALIBRATION])


@cache
def evaluation() -> NDArray[np.float32]:
    """Others than those of calibration, [3, 224, 224, 3]."""
    return np.stack([preprocess_float(SPEC, path.read_bytes()) for path in EVALUATION])
