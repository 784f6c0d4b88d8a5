"""A model as an OCI image of one layer, written without any engine: the same files give the same digest.

The folder is an image layout (https://github.com/opencontainers/image-spec, v1.0): skopeo copies it to a registry, engines mount
or copy from it, KServe takes it as a model car. The layer holds ``models/NAME/VERSION``, the tree that a server's
``--model_base_path=/models/NAME`` expects.
"""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelserve.deployment.errors import OutputError
from accelserve.deployment.images.names import ModelVersion

_LAYOUT = {"imageLayoutVersion": "1.0.0"}
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
# Not compressed: weights hardly become smaller, and a compressor's next version would give another digest.
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_ARCHITECTURES = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True, slots=True)
class Artefact:
    """What was written.

    Attributes:
        folder: the layout.
        digest: ``sha256:...`` of the image's manifest.
        size_bytes: of all blobs.
    """

    folder: Path
    digest: str
    size_bytes: int


def write_layout(
    folder: Path, model: ModelVersion, tag: str, labels: Mapping[str, str], *, instead_of: str = ""
) -> Artefact:
    """Write a model's layout, whole or not at all.

    Args:
        folder: does not exist, or is empty, or holds the layout that is replaced.
        model: its files become the layer.
        tag: of the image in the layout.
        labels: of the image.
        instead_of: digest of the layout that may be replaced; empty for none.

    Raises:
        OutputError: the folder holds something else, or cannot be written.
    """
    empty = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not empty and not (instead_of and _is_layout(folder, instead_of)):
        raise OutputError(f"{folder} exists already and is not empty; name another folder")
    unfinished: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = _beside(folder)
        unfinished.chmod(0o755)
        digest, size = _write(unfinished, model, tag, labels)
        if folder.exists():
            _take_away(folder)
        unfinished.rename(folder)
    except OSError as error:
        raise OutputError(f"{error.filename or folder}: {error.strerror or error}") from error
    finally:
        if unfinished is not None:
            shutil.rmtree(unfinished, ignore_errors=True)
    return Artefact(folder, digest, size)


def remove_layout(folder: Path, digest: str) -> None:
    """Remove a layout, if it still is the one of this digest; nothing if it is gone.

    Raises:
        OutputError: the folder is something else by now.
    """
    if not folder.exists():
        return
    if not _is_layout(folder, digest):
        raise OutputError(f"{folder} is not the layout that was written there; remove it yourself")
    try:
        _take_away(folder)
    except OSError as error:
        raise OutputError(f"{error.filename or folder}: {error.strerror or error}") from error


def _is_layout(folder: Path, digest: str) -> bool:
    try:
        found = json.loads((folder / "index.json").read_bytes())["manifests"]
        return [each["digest"] for each in found] == [digest]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _take_away(folder: Path) -> None:
    """Remove a folder, which is there whole until it is gone."""
    going = _beside(folder)
    try:
        folder.rename(going)  # in place of the empty one
    finally:
        shutil.rmtree(going, ignore_errors=True)


def _beside(folder: Path) -> Path:
    """A new folder on the same file system."""
    return Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))


def _write(folder: Path, model: ModelVersion, tag: str, labels: Mapping[str, str]) -> tuple[str, int]:
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    layer = _written_layer(blobs, model)
    created = model.manifest.provenance.created
    config = {
        "created": created,
        "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {"Labels": dict(labels)},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
        "history": [{"created": created, "created_by": "accelserve image build --output oci:DIR"}],
    }
    described = _blob(blobs, _CONFIG, _json(config))
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": described,
        "layers": [layer],
        "annotations": dict(labels),
    }
    entry = _blob(blobs, _MANIFEST, _json(manifest))
    named = {**entry, "annotations": {"org.opencontainers.image.ref.name": tag}}
    (folder / "index.json").write_bytes(_json({"schemaVersion": 2, "manifests": [named]}))
    (folder / "oci-layout").write_bytes(_json(_LAYOUT))
    return str(entry["digest"]), sum(each["size"] for each in (layer, described, entry))


def _written_layer(blobs: Path, model: ModelVersion) -> dict[str, Any]:
    path = blobs / "layer"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        folder = "models"
        for part in ("", model.name, str(model.version)):
            folder = f"{folder}/{part}" if part else folder
            tar.addfile(_entry(folder, 0o755, tarfile.DIRTYPE))
        for below in sorted({name.rpartition("/")[0] for name in model.files} - {""}):
            tar.addfile(_entry(f"{folder}/{below}", 0o755, tarfile.DIRTYPE))
        for name, source in model.files.items():
            with source.open("rb") as file:
                entry = _entry(f"{folder}/{name}", 0o644)
                entry.size = source.stat().st_size
                tar.addfile(entry, file)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    path.rename(blobs / digest)
    return {"mediaType": _LAYER, "digest": f"sha256:{digest}", "size": (blobs / digest).stat().st_size}


def _entry(name: str, mode: int, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    """Without a time, an owner or anything else that is not the model's."""
    entry = tarfile.TarInfo(name)
    entry.mode, entry.type = mode, kind
    return entry


def _blob(blobs: Path, media_type: str, content: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    (blobs / digest).write_bytes(content)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}


def _json(document: object) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
