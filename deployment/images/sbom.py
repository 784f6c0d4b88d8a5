"""A software bill of materials of an image, CycloneDX 1.5 as JSON: its Python packages and its model, each with its hash.

https://cyclonedx.org/docs/1.5/json. What the base image brings is in that image's own bill; here it is named. The same wheels
and model give the same bytes.
"""

from __future__ import annotations

import email
import email.message
import json
import re
import uuid
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from accelserve.deployment.errors import PackagesError
from accelserve.deployment.images.labels import sha256_of
from accelserve.deployment.images.names import ModelVersion

_NAMESPACE = uuid.UUID("5d1d6a6e-6a3c-5f0e-9a54-6f2f0c0c1e11")
_LONGEST_LICENSE = 200
_METADATA = re.compile(r"[^/]+\.dist-info/METADATA")


def bill_of_materials(image: str, base: str, wheels: Sequence[Path], model: ModelVersion | None) -> bytes:
    """The bill of an image.

    Args:
        image: its name with tag.
        base: name of its base image.
        wheels: that it is made of.
        model: that is baked in; None if there is none.
    """
    packages = [_package(each) for each in sorted(wheels)]
    models = [] if model is None else [_model(model)]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "container", "bom-ref": "image", "name": image}},
        "components": [{"type": "container", "bom-ref": "base", "name": base}, *packages, *models],
        "dependencies": [
            {"ref": "image", "dependsOn": ["base", *(each["bom-ref"] for each in (*packages, *models))]}
        ],
    }
    content = json.dumps(document, sort_keys=True)
    document["serialNumber"] = uuid.uuid5(_NAMESPACE, content).urn
    return json.dumps(document, indent=2).encode() + b"\n"


def _package(wheel: Path) -> dict[str, Any]:
    metadata = _metadata(wheel)
    name, version = metadata["Name"], metadata["Version"]
    purl = f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        "hashes": [{"alg": "SHA-256", "content": sha256_of(wheel)}],
    }
    expression, text = metadata.get("License-Expression"), metadata.get("License", "").strip()
    if expression:
        component["licenses"] = [{"expression": expression}]
    elif text and len(text) <= _LONGEST_LICENSE:  # some put the whole text there
        component["licenses"] = [{"license": {"name": text}}]
    return component


def _model(model: ModelVersion) -> dict[str, Any]:
    reference = f"model:{model.name}@{model.version}"
    return {
        "type": "machine-learning-model",
        "bom-ref": reference,
        "name": model.name,
        "version": str(model.version),
        "components": [
            {
                "type": "file",
                "bom-ref": f"{reference}/{name}",
                "name": name,
                "hashes": [{"alg": "SHA-256", "content": sha256_of(path)}],
            }
            for name, path in model.files.items()
        ],
    }


def _metadata(wheel: Path) -> email.message.Message:
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if _METADATA.fullmatch(name)]
            found = email.message_from_bytes(archive.read(names[0]))
    except (zipfile.BadZipFile, IndexError) as error:
        raise PackagesError(f"{wheel.name} is no wheel") from error
    if not found["Name"] or not found["Version"]:
        raise PackagesError(f"{wheel.name} is no wheel: its metadata has no name or no version")
    return found
