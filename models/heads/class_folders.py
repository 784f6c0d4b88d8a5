"""Pictures sorted into one folder a class, and the features that a network finds in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.ir import Array
from accelserve.models.errors import TrainingError
from accelserve.models.quantize.pictures import SUFFIXES
from accelserve.models.repository import FEATURES
from accelserve.models.serving.servable import Servable

LEAST_PICTURES = 2
"""Of a class: one to train on, one to test on."""

_AT_ONCE = 8

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ClassFolders:
    """A folder with one folder of pictures a class.

    Attributes:
        classes: the folders' names, sorted.
        pictures: (file, index of its class), class after class, by name.
    """

    classes: tuple[str, ...]
    pictures: tuple[tuple[Path, int], ...]

    @classmethod
    def of(cls, folder: Path) -> ClassFolders:
        """Look through ``folder``; hidden folders are passed over.

        Raises:
            TrainingError: fewer than two classes, or a class with fewer than two pictures.
        """
        folders = sorted(
            child for child in folder.iterdir() if child.is_dir() and not child.name.startswith(".")
        )
        if len(folders) < 2:
            there = f"only '{folders[0].name}'" if folders else "none"
            raise TrainingError(
                f"{folder} needs one folder of pictures for each of two classes or more, has {there}"
            )
        pictures = [(path, index) for index, child in enumerate(folders) for path in _pictures(child)]
        found = cls(tuple(child.name for child in folders), tuple(pictures))
        require_pictures(found.classes, np.array([label for _, label in pictures], np.int64))
        return found


@dataclass(frozen=True, slots=True)
class LabelledFeatures:
    """What a network sees in the pictures.

    Attributes:
        features: float32 [M, C].
        labels: int64 [M], index of the class.
        skipped: (file, reason) of pictures that could not be read.
    """

    features: Floats
    labels: NDArray[np.int64]
    skipped: tuple[tuple[Path, str], ...]


def labelled_features(
    servable: Servable, folders: ClassFolders, progress: Callable[[int, int], None] | None = None
) -> LabelledFeatures:
    """Features of every picture that can be read.

    Args:
        servable: with a ``features`` signature, taking encoded pictures.
        folders: the pictures.
        progress: told how many pictures of all are done.

    Raises:
        TrainingError: too few pictures of a class can be read.
        DeviceError: the device failed.
    """
    skipped: list[tuple[Path, str]] = []
    rows: list[Floats] = []
    labels: list[int] = []
    done = 0
    for batch in _batches(folders.pictures):
        pixels, usable = _readable(servable, batch, skipped)
        if usable:
            rows.append(_features(servable, pixels))
            labels += usable
        done += len(batch)
        if progress is not None:
            progress(done, len(folders.pictures))
    found = np.array(labels, np.int64)
    require_pictures(folders.classes, found, unreadable=len(skipped))
    return LabelledFeatures(np.concatenate(rows), found, tuple(skipped))


def require_pictures(classes: tuple[str, ...], labels: NDArray[np.int64], unreadable: int = 0) -> None:
    """TrainingError that names the first class with fewer than two pictures."""
    for index, name in enumerate(classes):
        count = int((labels == index).sum())
        if count < LEAST_PICTURES:
            lost = f" ({unreadable} of all could not be read)" if unreadable else ""
            raise TrainingError(
                f"class '{name}' has {count} usable pictures{lost}, needs {LEAST_PICTURES} or more; "
                f"files end in {', '.join(sorted(SUFFIXES))}"
            )


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def _batches(pictures: tuple[tuple[Path, int], ...]) -> Iterator[tuple[tuple[Path, int], ...]]:
    for start in range(0, len(pictures), _AT_ONCE):
        yield pictures[start : start + _AT_ONCE]


def _readable(
    servable: Servable, batch: tuple[tuple[Path, int], ...], skipped: list[tuple[Path, str]]
) -> tuple[Array, list[int]]:
    """Pixels [M, H, W, C] and labels of those pictures that can be used; the others go to ``skipped``."""
    reasons: dict[int, str] = {}
    files: dict[int, bytes] = {}
    for place, (path, _) in enumerate(batch):
        try:
            files[place] = path.read_bytes()
        except OSError as error:
            reasons[place] = error.strerror or str(error)
    decoded = servable.decode(list(files.values()))
    places = list(files)
    for row, fault in decoded.errors.items():
        reasons[places[row]] = f"{fault.headline} {fault.found}"
    skipped += [(path, reasons[place]) for place, (path, _) in enumerate(batch) if place in reasons]
    rows = [row for row in range(len(places)) if row not in decoded.errors]
    pixels = decoded.pixels if len(rows) == len(places) else decoded.pixels[rows]
    return pixels, [batch[places[row]][1] for row in rows]


def _features(servable: Servable, pixels: Array) -> Floats:
    results = servable.run(pixels)
    (alias,) = servable.signatures[FEATURES].outputs
    features = servable.respond(FEATURES, results, [alias])[alias]
    return np.asarray(features, np.float32).reshape(len(features), -1)
