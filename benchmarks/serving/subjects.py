"""What is served and what is sent: published networks, and photographs of one size."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from examples import open_nsfw
from examples.photographs import package_files
from PIL import Image, ImageOps

from accelserve.loadgen.plan import Pictures
from benchmarks.networks import CACHE, NETWORKS
from benchmarks.serving_process import published

SUBJECTS = ("resnet50", "open-nsfw", *(name for name in NETWORKS if name != "resnet50"))
"""In the order in which they are measured."""
SIZE = (500, 375)
QUALITY = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A published network.

    Attributes:
        name: of the model.
        folder: of its version, with ``model.onnx`` and ``servable.json``.
        preprocess: of ``servable.json``.
        outputs: names in answers of ours -> names in the ONNX file, of the default signature.
    """

    name: str
    folder: Path
    preprocess: Mapping[str, Any]
    outputs: Mapping[str, str]

    @property
    def model(self) -> Path:
        """The QDQ file, which every contender gets."""
        return self.folder / "model.onnx"


def subject(name: str) -> Subject:
    """A network, published where it is not yet; made once and kept."""
    folder = published(name) if name in NETWORKS else _open_nsfw()
    manifest = json.loads((folder / "servable.json").read_text(encoding="utf-8"))
    outputs = manifest["signatures"]["serving_default"]["outputs"]
    return Subject(
        name=name,
        folder=folder,
        preprocess=manifest["preprocess"],
        outputs={alias: output["name"].partition(":")[0] for alias, output in outputs.items()},
    )


def _open_nsfw() -> Path:
    folder = CACHE / "open-nsfw"
    versions = list((folder / "models" / open_nsfw.NAME).glob("[0-9]*"))
    return versions[0] if versions else next(open_nsfw.publish(folder).glob("[0-9]*"))


def photographs() -> Pictures:
    """Real photographs, fitted into one size."""
    files = [_jpeg(path) for path in package_files()]
    description = f"{len(files)} photographs, {SIZE[0]}x{SIZE[1]} JPEG of quality {QUALITY}"
    return Pictures(files=files, order=range(len(files)), description=description)


def _jpeg(path: Path) -> bytes:
    encoded = io.BytesIO()
    with Image.open(path) as opened:
        fitted = ImageOps.fit(opened.convert("RGB"), SIZE, Image.Resampling.LANCZOS)
    fitted.save(encoded, "JPEG", quality=QUALITY)
    return encoded.getvalue()
