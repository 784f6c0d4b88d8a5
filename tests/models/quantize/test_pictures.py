"""Calibration pictures from a folder, or generated."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from accelserve.kernels.preprocess import PRESETS, preprocess_float
from accelserve.models.errors import CalibrationError
from accelserve.models.quantize.pictures import Pictures, synthetic
from accelserve.models.quantize.synthetic import dead_leaves
from tests.models.quantize.photographs import CALIBRATION, SPEC


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deeper").mkdir()
    for path in CALIBRATION[:2]:
        shutil.copy(path, tmp_path)
    shutil.copy(CALIBRATION[2], tmp_path / "deeper" / "RETINA.JPG")
    (tmp_path / "notes.txt").write_text("not a picture")
    return tmp_path


def test_pictures_are_found_in_subfolders_whatever_the_case(folder: Path) -> None:
    found = Pictures.of_folder(folder, 10).paths
    assert [path.name for path in found] == ["astronaut.png", "RETINA.JPG", "rocket.jpg"]


def test_a_limit_spreads_over_the_folder(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f"{number:03}.jpg").touch()
    assert [int(path.stem) for path in Pictures.of_folder(tmp_path, 4).paths] == [0, 25, 50, 75]


def test_they_are_preprocessed_as_they_will_be_served(folder: Path) -> None:
    first = next(Pictures.of_folder(folder, 10).preprocessed(SPEC))
    np.testing.assert_array_equal(first[0], preprocess_float(SPEC, CALIBRATION[0].read_bytes()))


def test_what_cannot_be_used_is_skipped_and_reported(folder: Path) -> None:
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no jpeg")
    pictures = Pictures.of_folder(folder, 10)
    assert len(list(pictures.preprocessed(SPEC))) == 3
    ((path, reason),) = pictures.skipped
    assert path.name == "broken.jpg"
    assert "JPEG" in reason


def test_a_folder_without_pictures_is_named(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="holds no picture; expected files ending in"):
        Pictures.of_folder(tmp_path, 10)


def test_generated_pictures_are_the_same_every_time() -> None:
    first, again = list(dead_leaves(2, 64, 48)), list(dead_leaves(2, 64, 48))
    assert first[0].shape == (64, 48, 3)
    assert first[0].dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], first[1])


def test_generated_pictures_have_the_spectrum_of_natural_images() -> None:
    """Power falls with frequency about as f ** -2; white noise has a flat spectrum."""
    picture = next(dead_leaves(1, 128, 128)).mean(axis=2)
    power = np.abs(np.fft.fft2(picture - picture.mean())) ** 2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(128), np.fft.fftfreq(128)))
    octaves = [(0.02, 0.04), (0.04, 0.08), (0.08, 0.16)]
    means = [power[(frequency >= a) & (frequency < b)].mean() for a, b in octaves]
    slopes = np.diff(np.log2(means))
    assert np.all(slopes < -1)


def test_generated_pictures_go_through_the_same_preprocessing() -> None:
    images = list(synthetic(PRESETS["imagenet-torch"], 2))
    assert [image.shape for image in images] == [(1, 224, 224, 3)] * 2
    assert max(float(np.abs(image).max()) for image in images) < 3  # normalized, not 0..255
