"""A published version that holds no network: enough for what never loads one."""

from __future__ import annotations

from pathlib import Path

from accelserve.models.repository import MODEL_FILE, Manifest, Provenance, Signature, TensorSpec, publish


def published(repository: Path, name: str = "cats", content: bytes = b"a network") -> Path:
    """The next version's folder."""
    images = {"images": TensorSpec(name="images:0", dtype="string", shape=(-1,))}
    scores = {"scores": TensorSpec(name="scores:0", dtype="float32", shape=(-1, 2))}
    provenance = Provenance(
        source="cats.onnx", source_sha256="0" * 64, tool="tests", created="2026-01-02T03:04:05Z", opset=17
    )

    def manifest(version: int) -> Manifest:
        return Manifest(
            name=name,
            version=version,
            signatures={"serving_default": Signature(inputs=images, outputs=scores)},
            provenance=provenance,
            files={},
        )

    return publish(repository, manifest, {MODEL_FILE: content}, name=name)
