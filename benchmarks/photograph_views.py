"""Many views of the photographs that packages ship: seeded crops and mirror images, kept apart by photograph.

Calibration and evaluation never see parts of the same photograph (nor of the two halves of a stereo pair), so what
is measured is how ranges carry over to pictures that nobody calibrated on.
"""

from __future__ import annotations

import io
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

CALIBRATION = {
    "skimage": ("data", "coffee.png", "motorcycle_left.png", "rocket.jpg", "clock_motion.png"),
    "sklearn": ("datasets/images", "flower.jpg"),
}
EVALUATION = {
    "skimage": ("data", "astronaut.png", "chelsea.png", "camera.png", "coins.png", "hubble_deep_field.jpg"),
    "sklearn": ("datasets/images", "china.jpg"),
}
"""Package -> folder in it and files."""

WHOLE = {
    "skimage": (
        "data",
        *("astronaut.png", "brick.png", "camera.png", "cell.png", "chelsea.png", "coins.png", "grass.png"),
        *("gravel.png", "hubble_deep_field.jpg", "ihc.png", "microaneurysms.png", "moon.png", "page.png"),
        *("retina.jpg", "text.png"),
    ),
    "sklearn": ("datasets/images", "china.jpg"),
}
"""Everything that a camera or a microscope took, save what calibration has seen and the other half of its stereo pair.
What is left out was drawn (boards, logos, a colour wheel, a silhouette, a phantom), or is 25 pixels wide (faces)."""

SMALLEST_SHARE = 0.25
"""Least area of a view, as a share of its photograph's."""

QUALITY = 92


def files(sources: dict[str, tuple[str, ...]]) -> list[Path]:
    """Where the packages keep the photographs; SystemExit names a package that is not installed."""
    found = []
    for package, (folder, *names) in sources.items():
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            raise SystemExit(f"the photographs come from the package '{package}', which is not installed")
        found += [Path(spec.origin).parent / folder / name for name in names]
    return found


def write_views(sources: dict[str, tuple[str, ...]], each: int, folder: Path) -> list[Path]:
    """Write ``each`` views of every photograph as JPEG files; the first is the whole photograph."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for source in files(sources):
        with Image.open(source) as opened:
            photograph = opened.convert("RGB")
        random = np.random.default_rng(list(source.stem.encode()))
        for index in range(each):
            target = folder / f"{source.stem}-{index:03d}.jpg"
            view = photograph if index == 0 else _view(photograph, random)
            content = io.BytesIO()
            view.save(content, "JPEG", quality=QUALITY)
            target.write_bytes(content.getvalue())
            written.append(target)
    return written


def _view(photograph: Image.Image, random: np.random.Generator) -> Image.Image:
    """A crop of 25 to 100 per cent of the area, of the photograph's own proportions, mirrored every other time."""
    side = float(np.sqrt(random.uniform(SMALLEST_SHARE, 1)))
    width, height = round(photograph.width * side), round(photograph.height * side)
    left = int(random.integers(photograph.width - width + 1))
    top = int(random.integers(photograph.height - height + 1))
    view = photograph.crop((left, top, left + width, top + height))
    return view.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if random.random() < 0.5 else view
