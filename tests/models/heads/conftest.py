"""The trained open-nsfw network, published once, and photographs cut into pieces, one folder a photograph."""

from __future__ import annotations

from pathlib import Path

import pytest
import skimage
from PIL import Image
from sklearn.datasets import load_sample_images

from accelserve.kernels.preprocess import PRESETS
from accelserve.models.conversion.convert import ConvertOptions, convert
from tests.models.importing.trained import open_nsfw

SKIMAGE = Path(skimage.__file__).parent / "data"
PHOTOGRAPHS = {
    "cat": SKIMAGE / "chelsea.png",
    "pagoda": Path(load_sample_images().filenames[0]),
    "rocket": SKIMAGE / "rocket.jpg",
}
PIECES = 4


@pytest.fixture(scope="package")
def backbone(tmp_path_factory: pytest.TempPathFactory, code_cache: Path) -> Path:
    """A published version with a ``features`` signature, 1024 of them."""
    folder = tmp_path_factory.mktemp("backbone")
    options = ConvertOptions(
        name="open-nsfw",
        repository=folder / "models",
        calibrate=PHOTOGRAPHS["pagoda"].parent,
        preprocess=PRESETS["open-nsfw"],
        cache=code_cache,
    )
    return convert(open_nsfw(), options).directory


@pytest.fixture(scope="package")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder a photograph with sixteen pieces of it, as JPEG."""
    folder = tmp_path_factory.mktemp("pieces")
    for name, source in PHOTOGRAPHS.items():
        (folder / name).mkdir()
        with Image.open(source) as opened:
            picture = opened.convert("RGB")
        width, height = picture.width // PIECES, picture.height // PIECES
        for row in range(PIECES):
            for column in range(PIECES):
                box = (column * width, row * height, (column + 1) * width, (row + 1) * height)
                picture.crop(box).save(folder / name / f"{row}{column}.jpg", quality=92)
    return folder
