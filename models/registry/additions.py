"""Adds versions to a repository: servables and float networks, from folders and from other repositories."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from accelserve.models.registry.catalogue import Catalogue, content_of
from accelserve.models.registry.clock import now
from accelserve.models.registry.information import Information
from accelserve.models.registry.networks import (
    NetworkManifest,
    decode_network,
    encode_network,
    files_of,
    hash_of,
    record_of,
)
from accelserve.models.registry.version_records import VersionRecord, records_in
from accelserve.models.registry.versions import Progress, Source, Versions
from accelserve.models.repository import FileRecord, Manifest, decode_manifest, encode_manifest, verify
from accelserve.models.repository.store import EXTRA_FILES


class Additions:
    """Adds to a catalogue. ``said`` is what people say of the version, ``progress`` of the copy; errors as ``Registry``'s."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def servable(
        self, directory: Path, name: str, version: int | None, said: VersionRecord, progress: Progress
    ) -> int:
        """Add the servable in a version's folder; its number."""
        manifest = verify(directory)
        tagged = msgspec.structs.replace(said, tags={**manifest.tags, **said.tags})
        return self._add_servable(name, version, manifest, _files_in(directory, manifest), tagged, progress)

    def received(
        self, information: Information, versions: Versions, said: VersionRecord, progress: Progress
    ) -> None:
        """Add a version of another repository, under its name and number."""
        name, version = information.name, information.version
        files = {
            file: _stored(versions, information, file, record) for file, record in information.files.items()
        }
        data = versions.manifest(name, version)
        if information.kind == "network":
            manifest = decode_network(data)
            self._catalogue.require_kind(name, self._catalogue.networks)
            self._add(
                self._catalogue.networks,
                name,
                version,
                files,
                lambda _number: data,
                manifest.sha256,
                said,
                progress,
            )
            return
        for extra in EXTRA_FILES:
            with contextlib.suppress(FileNotFoundError), versions.open(name, version, extra):
                files[extra] = _stored(versions, information, extra, None)
        self._add_servable(name, version, decode_manifest(data), files, said, progress)

    def _add_servable(
        self,
        name: str,
        version: int | None,
        manifest: Manifest,
        files: Mapping[str, Source],
        said: VersionRecord,
        progress: Progress,
    ) -> int:
        self._catalogue.require_kind(name, self._catalogue.servables)

        def described(number: int) -> bytes:
            return encode_manifest(msgspec.structs.replace(manifest, name=name, version=number))

        content = content_of(manifest)
        return self._add(self._catalogue.servables, name, version, files, described, content, said, progress)

    def network(
        self, name: str, version: int | None, path: Path, said: VersionRecord, progress: Progress
    ) -> int:
        """Add the float network in a file or folder; its number."""
        found = files_of(path)
        self._catalogue.require_kind(name, self._catalogue.networks)
        records = {file: record_of(each) for file, each in found.items()}
        files = {file: _file(each, records[file]) for file, each in found.items()}

        def described(number: int) -> bytes:
            return encode_network(
                NetworkManifest(
                    name=name,
                    version=number,
                    source=path.name,
                    files=records,
                    sha256=hash_of(records),
                    created=now(),
                )
            )

        return self._add(
            self._catalogue.networks, name, version, files, described, hash_of(records), said, progress
        )

    @staticmethod
    def _add(
        versions: Versions,
        name: str,
        version: int | None,
        files: Mapping[str, Source],
        described: Callable[[int], bytes],
        content: str,
        said: VersionRecord,
        progress: Progress,
    ) -> int:
        number = versions.add(name, version, files, described, progress)
        record = msgspec.structs.replace(said, content=content, registered=now())
        records_in(versions.folder(name)).change(str(number), lambda _claim: record)
        return number


def _files_in(directory: Path, manifest: Manifest) -> dict[str, Source]:
    extras = dict.fromkeys(extra for extra in EXTRA_FILES if (directory / extra).is_file())
    return {file: _file(directory / file, record) for file, record in {**manifest.files, **extras}.items()}


def _file(path: Path, record: FileRecord | None) -> Source:
    return Source(lambda: path.open("rb"), record)


def _stored(versions: Versions, information: Information, file: str, record: FileRecord | None) -> Source:
    return Source(lambda: versions.open(information.name, information.version, file), record)
