"""Everything that the registry knows of a version, gathered from its manifest, its record, labels, notes and images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from accelserve.models.registry.networks import NetworkManifest
from accelserve.models.registry.version_records import VersionRecord
from accelserve.models.repository import FileRecord, Manifest, Signature


class Parent(msgspec.Struct, frozen=True, kw_only=True):
    """The float network that a servable was converted from.

    Attributes:
        source: its file name.
        sha256: of it, hexadecimal, as the converter read it.
        registered: NAME:VERSION, if the registry holds it.
    """

    source: str
    sha256: str
    registered: str | None


class Information(msgspec.Struct, frozen=True, kw_only=True):
    """A version.

    Attributes:
        name, version: of it.
        kind: ``servable``, or ``network`` for float networks that wait for conversion.
        description, tags, properties: what people say of it.
        created: when it was converted, or registered if it is a network; ISO 8601, UTC.
        parent: of a servable.
        files: name -> length and hash.
        size_bytes: of all files.
        signatures: of a servable.
        labels: that point to it.
        servers: HOST:PORT of those that noted to have it loaded.
        images: ``name:tag`` of those built from it.
        deployments: names of those that serve it.
        location: folder or URI.
    """

    name: str
    version: int
    kind: Literal["servable", "network"]
    description: str
    tags: dict[str, str]
    properties: dict[str, str]
    created: str
    parent: Parent | None
    files: dict[str, FileRecord]
    size_bytes: int
    signatures: dict[str, Signature]
    labels: tuple[str, ...]
    servers: tuple[str, ...]
    images: tuple[str, ...]
    deployments: tuple[str, ...]
    location: str

    @property
    def reference(self) -> str:
        """``name:version``."""
        return f"{self.name}:{self.version}"


class Uses(msgspec.Struct, frozen=True, kw_only=True):
    """Who points to a version or uses it; see ``Information``."""

    labels: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    deployments: tuple[str, ...] = ()


def of_servable(
    name: str,
    version: int,
    manifest: Manifest,
    record: VersionRecord | None,
    uses: Uses,
    location: str,
    networks: Mapping[str, str],
) -> Information:
    """A servable's information.

    Args:
        name: of the model's folder.
        version: of the version's folder.
        manifest: of the version.
        record: of it; None if nobody said anything, and then the manifest's tags are its tags.
        uses: of the version.
        location: of the version.
        networks: SHA-256 -> NAME:VERSION of registered float networks.
    """
    provenance = manifest.provenance
    registered = (record.parent if record else "") or networks.get(provenance.source_sha256)
    return Information(
        name=name,
        version=version,
        kind="servable",
        description=record.description if record else "",
        tags=dict(record.tags if record else manifest.tags),
        properties=dict(record.properties) if record else {},
        created=provenance.created,
        parent=Parent(source=provenance.source, sha256=provenance.source_sha256, registered=registered),
        files=dict(manifest.files),
        size_bytes=sum(each.bytes for each in manifest.files.values()),
        signatures=dict(manifest.signatures),
        location=location,
        **_as_fields(uses),
    )


def of_network(
    name: str, version: int, manifest: NetworkManifest, record: VersionRecord | None, location: str
) -> Information:
    """A float network's information; nobody serves it, so that nothing uses it."""
    return Information(
        name=name,
        version=version,
        kind="network",
        description=record.description if record else "",
        tags=dict(record.tags) if record else {},
        properties=dict(record.properties) if record else {},
        created=manifest.created,
        parent=None,
        files=dict(manifest.files),
        size_bytes=sum(each.bytes for each in manifest.files.values()),
        signatures={},
        location=location,
        **_as_fields(Uses()),
    )


def network_path(information: Information) -> Path:
    """The file or folder of a registered float network, as ``convert`` takes it."""
    first = next(iter(information.files))
    return Path(information.location) / first.partition("/")[0]


def _as_fields(uses: Uses) -> dict[str, tuple[str, ...]]:
    return msgspec.structs.asdict(uses)
