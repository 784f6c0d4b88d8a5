"""A registered version as ``accelserve models show`` prints it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from accelserve.models.registry.information import Information
from accelserve.models.repository import TensorSpec
from accelserve.server.cli.printable import printable


def lines_of(found: Information) -> Iterator[str]:
    """A line for each thing that is known."""
    facts = {
        "model": f"{found.reference}, {found.kind}",
        "description": found.description,
        "tags": _pairs(found.tags),
        "properties": _pairs(found.properties),
        "created": found.created,
        "parent": _parent(found),
        "location": found.location,
        "size": f"{found.size_bytes} bytes",
        "labels": ", ".join(found.labels),
        "servers": ", ".join(found.servers),
        "images": ", ".join(found.images),
        "deployments": ", ".join(found.deployments),
    }
    yield from (f"{fact:<12} {printable(text)}" for fact, text in facts.items() if text)
    for file, record in found.files.items():
        yield f"{'file':<12} {file}, {record.bytes} bytes, sha256 {record.sha256}"
    for name, signature in found.signatures.items():
        yield f"{'signature':<12} {name}: {_tensors(signature.inputs)} -> {_tensors(signature.outputs)}"


def _pairs(texts: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in texts.items())


def _parent(found: Information) -> str:
    if found.parent is None:
        return ""
    registered = f"{found.parent.registered}, " if found.parent.registered else ""
    return f"{registered}{found.parent.source}, sha256 {found.parent.sha256}"


def _tensors(tensors: Mapping[str, TensorSpec]) -> str:
    return ", ".join(f"{alias} {spec.dtype}{list(spec.shape)}" for alias, spec in tensors.items())
