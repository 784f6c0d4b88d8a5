"""Real photographs, as files."""

from __future__ import annotations

from pathlib import Path

import pytest
import skimage
import sklearn.datasets

SKIMAGE_DATA = Path(skimage.__file__).parent / "data"
SKLEARN_DATA = Path(sklearn.datasets.__file__).parent / "images"


@pytest.fixture(scope="session")
def photographs() -> dict[str, bytes]:
    """Files by name: photographs that scikit-image and scikit-learn ship inside their wheels."""
    paths = [SKIMAGE_DATA / name for name in ("astronaut.png", "chelsea.png", "coffee.png")]
    paths += [SKIMAGE_DATA / name for name in ("rocket.jpg", "retina.jpg", "hubble_deep_field.jpg")]
    paths += [SKLEARN_DATA / name for name in ("china.jpg", "flower.jpg")]
    return {path.name: path.read_bytes() for path in paths}


@pytest.fixture(scope="session")
def rocket(photographs: dict[str, bytes]) -> bytes:
    """A baseline JPEG of 640 x 427 pixels."""
    return photographs["rocket.jpg"]


@pytest.fixture(scope="session")
def cat(photographs: dict[str, bytes]) -> bytes:
    """A PNG of 451 x 300 pixels."""
    return photographs["chelsea.png"]
