"""What is in a repository: its models of both kinds, and everything that is known of a version."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import msgspec

from accelserve.models.errors import (
    ChangedMeanwhileError,
    ManifestError,
    ModelNotFoundError,
    RecordExistsError,
)
from accelserve.models.registry.clock import now
from accelserve.models.registry.in_use import servers_of
from accelserve.models.registry.information import Information, Uses, of_network, of_servable
from accelserve.models.registry.labels import LATEST, Labels
from accelserve.models.registry.networks import decode_network
from accelserve.models.registry.records import Records
from accelserve.models.registry.references import Reference, parse_reference
from accelserve.models.registry.version_records import VersionRecord, records_in
from accelserve.models.registry.versions import Versions, networks_of, servables_of
from accelserve.models.repository import Manifest, decode_manifest
from accelserve.models.repository.store import check_name, sha256_of


class Catalogue:
    """Thread-safe; nothing is kept in memory.

    Args:
        repository: folder or URI.

    Raises:
        RepositoryError: the URI's scheme is unknown, or its package is not installed.
    """

    def __init__(self, repository: str) -> None:
        self.repository = repository
        self.records = Records(repository)
        self.servables = servables_of(repository)
        self.networks = networks_of(repository)

    def names(self) -> list[str]:
        """Of all models, sorted."""
        return sorted({*self.servables.names(), *self.networks.names()})

    def resolve(self, reference: str | Reference) -> tuple[str, int]:
        """Name and version that a reference means; the latest if it names none.

        Raises:
            ModelNotFoundError: no such model or version.
            RecordNotFoundError: nobody has the label.
            ModelNameError, RegistryError: that is no reference.
        """
        name, which = parse_reference(reference) if isinstance(reference, str) else reference
        numbers = self.versions(check_name(name)).numbers(name)
        if not numbers:
            raise ModelNotFoundError(name, None, self.repository)
        version = max(numbers) if which in (None, LATEST) else which
        if isinstance(version, str):
            version = self.labels(name).version_of(version)
        if version not in numbers:
            raise ModelNotFoundError(name, version, self.repository)
        return name, version

    def versions(self, name: str) -> Versions:
        """Where the versions of a model are: among the servables, unless it is a float network."""
        networks = not self.servables.numbers(name) and self.networks.numbers(name)
        return self.networks if networks else self.servables

    def require_kind(self, name: str, versions: Versions) -> None:
        """RecordExistsError if the name is one of the other kind."""
        other = self.networks if versions is self.servables else self.servables
        if other.numbers(name):
            kind = "float networks" if other is self.networks else "servables"
            raise RecordExistsError("model", name, f"has versions that are {kind}; take another name")

    def versions_of(
        self, name: str, *, latest: bool, unreadable: Callable[[str], None] | None
    ) -> Iterator[Information]:
        """What is known of a model's versions, ascending, or of the highest alone; see ``Registry.find``."""
        versions = self.versions(check_name(name))
        numbers = versions.numbers(name)
        if not numbers:
            raise ModelNotFoundError(name, None, self.repository)
        for number in numbers[-1:] if latest else numbers:
            try:
                yield self.information(versions, name, number)
            except ModelNotFoundError:  # deleted meanwhile, or a folder of another kind
                continue
            except ManifestError as error:
                if unreadable is None:
                    raise
                unreadable(f"{versions.location(name, number)} is left out: {error}")

    def information(self, versions: Versions, name: str, version: int) -> Information:
        """What is known of a version; ModelNotFoundError if there is none, ManifestError if its manifest is broken."""
        data = versions.manifest(name, version)
        location = versions.location(name, version)
        record = self._record(versions, name, version, data)
        if versions is self.networks:
            return of_network(name, version, decode_network(data), record, location)
        folder = versions.folder(name)
        uses = Uses(
            labels=tuple(self.labels(name).of(version)),
            servers=tuple(dict.fromkeys(note.server for note in servers_of(folder, version))),
            images=tuple(each.reference for each in self.records.images(name, version)),
            deployments=tuple(each.name for each in self.records.deployments(model=name, version=version)),
        )
        return of_servable(
            name, version, decode_manifest(data), record, uses, location, self._network_hashes()
        )

    def _record(self, versions: Versions, name: str, version: int, data: bytes) -> VersionRecord | None:
        found = records_in(versions.folder(name)).get(str(version))
        return found.document if found and found.document.content == self._content(versions, data) else None

    def _content(self, versions: Versions, data: bytes) -> str:
        return decode_network(data).sha256 if versions is self.networks else content_of(decode_manifest(data))

    def _network_hashes(self) -> dict[str, str]:
        """SHA-256 -> NAME:VERSION of every float network."""
        found = {}
        for name in self.networks.names():
            for number in self.networks.numbers(name):
                with contextlib.suppress(ModelNotFoundError, ManifestError):
                    manifest = decode_network(self.networks.manifest(name, number))
                    found[manifest.sha256] = f"{name}:{number}"
        return found

    def change_record(
        self, versions: Versions, information: Information, change: Callable[[VersionRecord], VersionRecord]
    ) -> None:
        """Change a version's record; one is made if nobody said anything of these files before."""
        content = self._content(versions, versions.manifest(information.name, information.version))
        fresh = VersionRecord(content=content, tags=dict(information.tags), registered=now())

        def changed(there: VersionRecord | None) -> VersionRecord:
            return change(there if there is not None and there.content == content else fresh)

        records_in(versions.folder(information.name)).change(str(information.version), changed)

    @contextlib.contextmanager
    def marked_as_going(self, versions: Versions, information: Information) -> Iterator[None]:
        """Marked, so that whoever adds a user of the version meanwhile sees it; unmarked if it stays after all."""

        def mark(state: str) -> None:
            self.change_record(
                versions, information, lambda there: msgspec.structs.replace(there, state=state)
            )

        mark("deleting")
        try:
            yield
        except BaseException:
            with contextlib.suppress(ModelNotFoundError):
                mark("ready")
            raise

    def labels(self, name: str) -> Labels:
        """Of a servable's versions."""
        return Labels(name, self.servables.folder(name))

    def forget_record(self, versions: Versions, name: str, version: int) -> None:
        """Drop the record of a version that was deleted, unless somebody is adding another under its number."""
        records = records_in(versions.folder(name))
        found = records.get(str(version))
        if found is not None and found.document.state == "deleting":
            with contextlib.suppress(ChangedMeanwhileError):
                records.delete(str(version), expecting=found.etag)


def content_of(manifest: Manifest) -> str:
    """What tells a servable's files from others: the hash of their names, lengths and hashes."""
    return sha256_of(msgspec.json.encode(dict(sorted(manifest.files.items()))))
