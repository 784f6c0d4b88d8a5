"""What an image says about itself, as labels: where its model comes from, to the byte."""

from __future__ import annotations

import hashlib
from pathlib import Path

from accelserve.deployment.images.names import ModelVersion


def model_labels(model: ModelVersion) -> dict[str, str]:
    """Name, version and the SHA-256 of each file, ``accelserve.model.sha256.FILE``."""
    hashes = {f"accelserve.model.sha256.{name}": sha256_of(path) for name, path in model.files.items()}
    return {"accelserve.model": model.name, "accelserve.model.version": str(model.version), **hashes}


def sha256_of(path: Path) -> str:
    """Of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
