"""The registry of a repository: what ``accelserve models`` and ``accelserve.Model`` do.

Things are named by ``NAME``, ``NAME:VERSION``, ``NAME:latest`` or ``NAME:LABEL``. A name is a servable's or a float network's,
never both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path

import msgspec

from accelserve.models.errors import (
    ModelNotFoundError,
    RecordExistsError,
    RegistryError,
    StillUsedError,
)
from accelserve.models.registry.additions import Additions
from accelserve.models.registry.catalogue import Catalogue
from accelserve.models.registry.information import Information
from accelserve.models.registry.labels import Moved
from accelserve.models.registry.references import Reference, parse_reference
from accelserve.models.registry.version_records import VersionRecord
from accelserve.models.registry.versions import Progress, has_version
from accelserve.models.repository import (
    MANIFEST_FILE,
    latest_version,
)
from accelserve.models.repository.location import is_remote, local_path
from accelserve.models.repository.store import check_name, check_version


def _quiet(_done: int, _total: int) -> None:
    """Nobody watches."""


class Registry:
    """Thread-safe, and safe against other processes and machines.

    Args:
        repository: folder, or URI of an object store. S3 and folders are written; other stores are read.

    Raises:
        RepositoryError: the URI's scheme is unknown, or its package is not installed.
    """

    def __init__(self, repository: str | PathLike[str]) -> None:
        text = fspath(repository)
        self.repository = text.rstrip("/") if is_remote(text) else str(local_path(text))
        self._catalogue = Catalogue(self.repository)
        self._additions = Additions(self._catalogue)
        self.records = self._catalogue.records

    # What is there

    def find(
        self,
        name: str | None = None,
        *,
        tags: Mapping[str, str | None] | None = None,
        properties: Mapping[str, str | None] | None = None,
        latest: bool = False,
        unreadable: Callable[[str], None] | None = None,
    ) -> list[Information]:
        """Versions, by name and number.

        Args:
            name: of one model; None is all.
            tags: that they must have; a value of None is any.
            properties: likewise.
            latest: only the highest version of each.
            unreadable: called with a sentence for each version whose manifest is broken; None raises the ManifestError.

        Raises:
            ModelNotFoundError: there is no model of that name.
        """
        return [
            information
            for each in ([name] if name is not None else self._catalogue.names())
            for information in self._catalogue.versions_of(each, latest=latest, unreadable=unreadable)
            if _has(information.tags, tags) and _has(information.properties, properties)
        ]

    def show(self, reference: str | Reference) -> Information:
        """All about a version; the latest if the reference names none.

        Raises:
            ModelNotFoundError: no such model or version.
            RecordNotFoundError: nobody has the label.
            ModelNameError, RegistryError: that is no reference.
        """
        name, version = self._catalogue.resolve(reference)
        return self._catalogue.information(self._catalogue.versions(name), name, version)

    # What is written

    def register(
        self,
        path: Path,
        name: str,
        *,
        version: int | None = None,
        description: str = "",
        tags: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
        parent: str = "",
        progress: Progress = _quiet,
    ) -> Information:
        """Copy a servable, or a float network, into the repository as a new version.

        Args:
            path: a servable's folder (the latest version is taken of a model's), or a network that ``convert`` reads.
            name: of the model.
            version: number; None is the next.
            description: for people.
            tags: text by name; a servable's own tags stay where these have no others.
            properties: likewise, not to be changed later.
            parent: NAME:VERSION of the registered float network.
            progress: of the copy.

        Raises:
            RecordExistsError: there is such a version, or the name is one of the other kind.
            ModelNameError: no such name or version can be.
            CorruptVersionError: the servable is not what its manifest says.
            RegistryError: the path holds nothing that could be registered.
            ReadOnlyError: nobody may write to the repository.
        """
        check_name(name)
        if version is not None:
            check_version(version)
        said = VersionRecord(
            description=description, tags=dict(tags or {}), properties=dict(properties or {}), parent=parent
        )
        directory = latest_version(path) if path.is_dir() else path
        if (directory / MANIFEST_FILE).is_file():
            number = self._additions.servable(directory, name, version, said, progress)
        else:
            number = self._additions.network(name, version, path, said, progress)
        return self.show(Reference(name, number))

    def tag(
        self,
        reference: str | Reference,
        *,
        add: Mapping[str, str] | None = None,
        remove: Sequence[str] = (),
        add_properties: Mapping[str, str] | None = None,
        description: str | None = None,
        parent: str | None = None,
    ) -> Information:
        """Change what people say of a version.

        Args:
            reference: of it.
            add: tags to set, whatever they were.
            remove: tags to take away.
            add_properties: that it does not have yet.
            description: None leaves it.
            parent: NAME:VERSION of the float network that it was converted from; None leaves it.

        Raises:
            RegistryError: a tag to be removed is not there, or a property is there with another value.
        """
        name, version = self._catalogue.resolve(reference)
        versions = self._catalogue.versions(name)
        before = self._catalogue.information(versions, name, version)

        def changed(there: VersionRecord) -> VersionRecord:
            tags = dict(there.tags)
            for key in remove:
                if key not in tags:
                    raise RegistryError(
                        f"{name}:{version} has no tag '{key}'; it has {', '.join(tags) or 'none'}"
                    )
                del tags[key]
            for key, value in (add_properties or {}).items():
                if there.properties.get(key, value) != value:
                    raise RegistryError(
                        f"property '{key}' of {name}:{version} is '{there.properties[key]}' and does not change; tags do"
                    )
            return msgspec.structs.replace(
                there,
                tags={**tags, **(add or {})},
                properties={**there.properties, **(add_properties or {})},
                description=there.description if description is None else description,
                parent=there.parent if parent is None else parent,
            )

        self._catalogue.change_record(versions, before, changed)
        return self.show(Reference(name, version))

    # Labels

    def label(self, reference: str | Reference, label: str) -> Moved:
        """Give a version a label that no other version has; errors as ``Labels.give``."""
        name, version = self._servable(reference)
        moved = self._catalogue.labels(name).give(label, version)
        self._keep_only_there(name, label, version)
        return moved

    def promote(self, reference: str | Reference, label: str, *, expecting: int | None = None) -> Moved:
        """Move a label to a version; errors as ``Labels.move``."""
        name, version = self._servable(reference)
        moved = self._catalogue.labels(name).move(label, version, expecting=expecting)
        if not has_version(self.repository, name, version):  # deleted meanwhile
            if moved.before is not None:
                self._catalogue.labels(name).roll_back(label)
            raise ModelNotFoundError(name, version, self.repository)
        return moved

    def roll_back(self, name: str, label: str) -> Moved:
        """Move a label back to the version that had it before.

        Raises:
            ModelNotFoundError: there is no such model, or that version is gone.
            RecordNotFoundError, RegistryError: as ``Labels.roll_back``.
        """
        self._servable(name)
        previous = self._catalogue.labels(name).all().get(label)
        if previous is not None and previous.previous is not None:
            self._catalogue.resolve(Reference(name, previous.previous))
        return self._catalogue.labels(name).roll_back(label)

    def unlabel(self, name: str, label: str, *, expecting: int | None = None) -> Moved:
        """Take a label away from the version that has it.

        Raises:
            RecordNotFoundError: nobody has it.
            RegistryError: another version than ``expecting`` has it.
        """
        self._servable(name)
        return self._catalogue.labels(name).remove(label, expecting=expecting)

    # Deletion

    def delete(
        self, reference: str | Reference, *, force: bool = False, loaded_by: Sequence[str] = ()
    ) -> Information:
        """Delete a version that nothing stands on.

        Args:
            reference: of it; a model's name alone only where it has a single version.
            force: in spite of servers that have it loaded, and of labels, which go with it.
            loaded_by: further servers that are known to have it loaded.

        Returns:
            What it was.

        Raises:
            StillUsedError: deployments or images stand on it, whatever ``force`` says; or servers or labels do.
            ModelNotFoundError, RecordNotFoundError: it is not there.
            ReadOnlyError: nobody may write to the repository.
        """
        parsed = parse_reference(reference) if isinstance(reference, str) else reference
        name, version = self._catalogue.resolve(parsed)
        versions = self._catalogue.versions(name)
        if parsed.which is None and len(numbers := versions.numbers(name)) > 1:
            raise RegistryError(
                f"{name} has {len(numbers)} versions, {min(numbers)} to {max(numbers)}; say which, {name}:N"
            )
        information = self._catalogue.information(versions, name, version)
        with self._catalogue.marked_as_going(versions, information):
            now_known = self._catalogue.information(versions, name, version)
            self.records.refuse_used(name, version)
            if not force:
                _refuse_served(now_known, [*now_known.servers, *loaded_by])
                _refuse_labelled(now_known)
            for label in now_known.labels:
                self._catalogue.labels(name).remove(label)
            versions.remove(name, version)
        self._catalogue.forget_record(versions, name, version)
        return information

    # Between repositories

    def copy_to(
        self, target: Registry, reference: str | Reference, *, progress: Progress = _quiet
    ) -> tuple[Information, bool]:
        """Copy a version to another repository, under its name and number, whole or not at all.

        Returns:
            What is in the target, and whether it was copied: the same files may be there already.

        Raises:
            RecordExistsError: other files are there under that number.
            CorruptVersionError: a file is not what the manifest says.
            ReadOnlyError: nobody may write to the target.
        """
        name, version = self._catalogue.resolve(reference)
        versions = self._catalogue.versions(name)
        information = self._catalogue.information(versions, name, version)
        there = target._catalogue.versions(name)
        if version in there.numbers(name):
            found = target._catalogue.information(there, name, version)
            if found.kind == information.kind and found.files == information.files:
                return found, False
            raise RecordExistsError(
                "version", f"{name}:{version}", f"is in {target.repository} already, with other files"
            )
        said = VersionRecord(
            description=information.description,
            tags=information.tags,
            properties=information.properties,
            parent=(information.parent.registered or "") if information.parent else "",
        )
        target._additions.received(information, versions, said, progress)
        return target.show(Reference(name, version)), True

    def _servable(self, reference: str | Reference) -> tuple[str, int]:
        name, version = self._catalogue.resolve(reference)
        if self._catalogue.versions(name) is self._catalogue.networks:
            raise RegistryError(
                f"{name} is a float network, which no server serves: label what was converted from it"
            )
        return name, version

    def _keep_only_there(self, name: str, label: str, version: int) -> None:
        """Take a new label away again if its version was deleted meanwhile."""
        if not has_version(self.repository, name, version):
            self._catalogue.labels(name).remove(label)
            raise ModelNotFoundError(name, version, self.repository)


def _has(there: Mapping[str, str], wanted: Mapping[str, str | None] | None) -> bool:
    return all(key in there and value in (None, there[key]) for key, value in (wanted or {}).items())


def _refuse_served(information: Information, servers: Sequence[str]) -> None:
    if servers:
        users = [f"the server {each}" for each in dict.fromkeys(servers)]
        raise StillUsedError(
            f"version {information.version} of model '{information.name}'",
            users,
            "have it serve another version first, or delete with --force",
        )


def _refuse_labelled(information: Information) -> None:
    if information.labels:
        users = [f"label '{each}'" for each in information.labels]
        raise StillUsedError(
            f"version {information.version} of model '{information.name}'",
            users,
            "promote another version, take the label away, or delete with --force",
        )
