"""Where versions are: a folder each below ``ROOT/NAME``, on a file system or in an object store.

A version appears whole or not at all. On a file system it is written beside its place and renamed. In an object store its
manifest is written last, under the condition that there is none, and whoever reads goes by the manifest; before the first
byte its writer claims the number by a conditional write of its record, so that two writers never mix their files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from accelserve.models.errors import RecordExistsError
from accelserve.models.registry.local_versions import LocalVersions
from accelserve.models.registry.networks import FOLDER_OF_NETWORKS, NETWORK_FILE
from accelserve.models.registry.object_versions import ObjectVersions
from accelserve.models.registry.version_records import is_going
from accelserve.models.repository import MANIFEST_FILE, FileRecord
from accelserve.models.repository.location import is_remote, local_path
from accelserve.models.repository.object_store import store_of
from accelserve.models.repository.store import check_name

Progress = Callable[[int, int], None]
"""Takes how many bytes have been copied, of how many."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to be copied into a version.

    Attributes:
        open: gives a stream of its content, once.
        record: what it must be; None where nothing is known of it.
    """

    open: Callable[[], AbstractContextManager[BinaryIO]]
    record: FileRecord | None


class Versions(Protocol):
    """The versions of every model below one root. Thread-safe, and safe against other processes and machines."""

    manifest_file: str

    def names(self) -> list[str]:
        """Of the models that have a version, sorted."""

    def numbers(self, name: str) -> list[int]:
        """Versions of a model, ascending; empty if there are none."""

    def folder(self, name: str) -> str:
        """Path or URI of a model's folder."""

    def location(self, name: str, version: int) -> str:
        """Path or URI of a version; ModelNotFoundError if there is none."""

    def manifest(self, name: str, version: int) -> bytes:
        """Content of a version's manifest; ModelNotFoundError if there is none."""

    def open(self, name: str, version: int, file: str) -> AbstractContextManager[BinaryIO]:
        """A stream of a file's content; FileNotFoundError if there is none."""

    def add(
        self,
        name: str,
        version: int | None,
        files: Mapping[str, Source],
        manifest: Callable[[int], bytes],
        progress: Progress,
    ) -> int:
        """Copy files to a new version, and check each on the way; the version's number.

        Args:
            name: of the model.
            version: number, or None for the next.
            files: path within the version -> what to copy.
            manifest: content of the manifest, for the number that was picked.
            progress: of the copy.

        Raises:
            RecordExistsError: there is such a version, or somebody is adding it.
            CorruptVersionError: a file is not what its record says.
            ReadOnlyError: nobody may write here.
        """

    def remove(self, name: str, version: int) -> None:
        """Take a version away: it disappears at once, its bytes after. ModelNotFoundError if there is none."""


def servables_of(repository: str) -> Versions:
    """The servables of a repository, a folder or a URI; RepositoryError if its scheme is unknown."""
    return _versions(repository, MANIFEST_FILE)


def networks_of(repository: str) -> Versions:
    """The float networks that are registered in a repository."""
    return _versions(f"{repository.rstrip('/')}/{FOLDER_OF_NETWORKS}", NETWORK_FILE)


def has_version(repository: str, name: str, version: int) -> bool:
    """Whether a repository has a complete version of a model, which nobody is deleting."""
    servables = servables_of(repository)
    return version in servables.numbers(name) and not is_going(servables.folder(name), version)


def refuse_network_name(repository: str, name: str) -> None:
    """RecordExistsError if a name is a registered float network's, so that no servable may take it."""
    if networks_of(repository).numbers(check_name(name)):
        raise RecordExistsError("model", name, "has versions that are float networks; take another name")


def _versions(root: str, manifest_file: str) -> Versions:
    if not is_remote(root):
        return LocalVersions(Path(local_path(root)), manifest_file)
    store, path = store_of(root)
    return ObjectVersions(store, path, root.rstrip("/"), manifest_file)
