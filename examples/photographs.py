"""Real photographs that packages ship, as JPEG files: scikit-image's and scikit-learn's samples, and parts of them."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

PHOTOGRAPHS = {
    "skimage": ("data", "astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg"),
    "sklearn": ("datasets/images", "china.jpg", "flower.jpg"),
}
QUALITY = 92


def package_files() -> list[Path]:
    """The photographs, where their packages keep them."""
    found = []
    for package, (folder, *names) in PHOTOGRAPHS.items():
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            raise SystemExit(f"the photographs come from the package '{package}', which is not installed")
        found += [Path(spec.origin).parent / folder / name for name in names]
    return [path for path in found if path.exists()]


def write_photographs(folder: Path) -> list[Path]:
    """Write every photograph as a JPEG; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for source in package_files():
        target = folder / f"{source.stem}.jpg"
        with Image.open(source) as picture:
            picture.convert("RGB").save(target, quality=QUALITY)
        written.append(target)
    return written


def write_crops(sources: Iterable[Path], folder: Path, parts: int = 2) -> list[Path]:
    """Write ``parts`` x ``parts`` pieces of every photograph, to calibrate on pictures other than those scored."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for source in sources:
        with Image.open(source) as opened:
            picture = opened.convert("RGB")
        width, height = picture.width // parts, picture.height // parts
        for row in range(parts):
            for column in range(parts):
                box = (column * width, row * height, (column + 1) * width, (row + 1) * height)
                target = folder / f"{source.stem}-{row}{column}.jpg"
                picture.crop(box).save(target, quality=QUALITY)
                written.append(target)
    return written
