"""Features in one call: any device, any number of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from accelserve import models
from accelserve.kernels.devices.discovery import open_device
from accelserve.kernels.preprocess import InvalidImageError, UnknownImageFormatError
from accelserve.models.errors import InputError
from accelserve.models.serving.servable import Servable
from tests.models.tiny_classifier import PHOTOGRAPHS, publish_tiny_classifier


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish_tiny_classifier(tmp_path_factory.mktemp("featurizing"))


def test_every_device_gives_the_same_bytes_for_paths_bytes_and_loaded_models(version: Path) -> None:
    pictures = PHOTOGRAPHS * 9  # more than are run at once
    features = models.featurize(version, pictures, device="reference")
    assert features.shape == (18, 1, 1, 8)
    assert features.dtype == np.float32
    assert len(np.unique(features, axis=0)) == 2
    encoded = [picture.read_bytes() for picture in pictures]
    np.testing.assert_array_equal(models.featurize(str(version.parent), encoded, device="cpu"), features)
    servable = Servable.load(version, device=open_device("cpu:generic"))
    for _ in range(2):  # it stays loaded
        np.testing.assert_array_equal(models.featurize(servable, map(str, pictures)), features)
    servable.close()


def test_a_bad_picture_is_named_by_its_place_among_all(version: Path) -> None:
    good = PHOTOGRAPHS[0].read_bytes()
    with pytest.raises(UnknownImageFormatError) as caught:
        models.featurize(version, [good] * 10 + [b"no picture"], device="reference")
    assert caught.value.element == 10
    with pytest.raises(InvalidImageError, match="Element 0 of the batch"):
        models.featurize(version, [good[:5000]], device="reference")
    with pytest.raises(InputError, match="there is no image to featurise"):
        models.featurize(version, [], device="reference")


def test_the_rooms_public_names() -> None:
    assert models.__all__ == ["featurize"]
    with pytest.raises(AttributeError, match="has no attribute 'featurise'"):
        _ = models.featurise
