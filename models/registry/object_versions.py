"""Versions in an object store."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from accelserve.models.errors import (
    ChangedMeanwhileError,
    ModelNotFoundError,
    RecordExistsError,
    RegistryError,
)
from accelserve.models.registry.clock import after, passed
from accelserve.models.registry.copying import check_files, copy_checked
from accelserve.models.registry.s3_objects import S3Objects
from accelserve.models.registry.version_records import VersionRecord, records_in
from accelserve.models.repository import versions_among
from accelserve.models.repository.object_store import Store
from accelserve.models.repository.store import NAME_PATTERN, check_name

if TYPE_CHECKING:
    from accelserve.models.registry.versions import Progress, Source

_CLAIM_SECONDS = 600.0


class ObjectVersions:
    """See ``Versions``.

    Args:
        store: fsspec's file system; written only if it is S3.
        root: path in it, with the bucket.
        uri: the same as a URI.
        manifest_file: whose presence makes a version complete.
    """

    def __init__(self, store: Store, root: str, uri: str, manifest_file: str) -> None:
        self.manifest_file = manifest_file
        self._store = store
        self._root = root
        self._uri = uri
        self._objects = S3Objects(store, uri)

    def names(self) -> list[str]:
        """See ``Versions``."""
        return sorted(
            name for name in self._folders(self._root) if NAME_PATTERN.fullmatch(name) and self.numbers(name)
        )

    def numbers(self, name: str) -> list[int]:
        """See ``Versions``."""
        found = versions_among(self._folders(f"{self._root}/{name}"))
        return sorted(
            version
            for version, names in found.items()
            if self._store.exists(f"{self._root}/{name}/{names[0]}/{self.manifest_file}")
        )

    def folder(self, name: str) -> str:
        """See ``Versions``."""
        return f"{self._uri}/{name}"

    def location(self, name: str, version: int) -> str:
        """See ``Versions``."""
        return f"{self._uri}/{name}/{self._number(name, version)}"

    def manifest(self, name: str, version: int) -> bytes:
        """See ``Versions``."""
        try:
            return bytes(self._store.cat_file(f"{self._path(name, version)}/{self.manifest_file}"))
        except FileNotFoundError as error:
            raise ModelNotFoundError(name, version, self._uri) from error

    def open(self, name: str, version: int, file: str) -> AbstractContextManager[BinaryIO]:
        """See ``Versions``."""
        return self._store.open(f"{self._path(name, version)}/{file}", "rb")

    def add(
        self,
        name: str,
        version: int | None,
        files: Mapping[str, Source],
        manifest: Callable[[int], bytes],
        progress: Progress,
    ) -> int:
        """See ``Versions``."""
        check_files(files, f"{self._uri}/{name}")
        claim = self._claimed(check_name(name), version)
        folder = f"{self._root}/{name}/{claim.version}"
        try:
            self._copy(folder, files, claim, progress)
            claim.renew()  # nobody took the number over meanwhile
            self._objects.put(f"{folder}/{self.manifest_file}", manifest(claim.version), expecting=None)
        except BaseException:
            if claim.held:
                self._remove_files(folder)
                claim.give_up()
            raise
        return claim.version

    def remove(self, name: str, version: int) -> None:
        """See ``Versions``."""
        folder = self._path(name, version)
        if not self._store.exists(f"{folder}/{self.manifest_file}"):
            raise ModelNotFoundError(name, version, self._uri)
        self._objects.delete(f"{folder}/{self.manifest_file}")
        self._remove_files(folder)

    def _claimed(self, name: str, version: int | None) -> _Claim:
        """The number, held against other writers; the next free one if None."""
        claimed = records_in(self.folder(name)).keys()
        there = self.numbers(name)
        if version is not None:
            if version in there:
                raise RecordExistsError("version", f"{name}:{version}", f"is in {self._uri} already")
            return _Claim(self.folder(name), name, version)
        picked = max([*there, *versions_among(claimed)], default=0) + 1
        while True:
            with contextlib.suppress(RecordExistsError):
                return _Claim(self.folder(name), name, picked)
            picked += 1

    def _copy(self, folder: str, files: Mapping[str, Source], claim: _Claim, progress: Progress) -> None:
        total = sum(source.record.bytes for source in files.values() if source.record)
        done = 0

        def advanced(count: int) -> None:
            nonlocal done
            done += count
            claim.renew_in_time()
            progress(done, max(total, done))

        self._remove_files(folder)  # of a writer that was killed
        for file, source in files.items():
            with source.open() as stream, self._store.open(f"{folder}/{file}", "wb") as copy:
                copy_checked(stream, copy, source.record, f"{folder}/{file}", advanced)

    def _remove_files(self, folder: str) -> None:
        for path in self._store.find(folder):
            self._objects.delete(path)

    def _path(self, name: str, version: int) -> str:
        return f"{self._root}/{name}/{self._number(name, version)}"

    def _number(self, name: str, version: int) -> str:
        """The name of a version's folder: ``00123`` is a version, too."""
        return versions_among(self._folders(f"{self._root}/{name}")).get(version, [str(version)])[0]

    def _folders(self, path: str) -> list[str]:
        return [each.rpartition("/")[2] for each in self._children(path)]

    def _children(self, path: str) -> Iterator[str]:
        try:
            children = self._store.ls(path, detail=True)
        except FileNotFoundError:
            return
        for child in children:
            if child["type"] == "directory":
                yield str(child["name"]).rstrip("/")


class _Claim:
    """A version's number, held while its files are written.

    Raises:
        RecordExistsError: another writer holds it.
    """

    def __init__(self, folder: str, name: str, version: int) -> None:
        self.version = version
        self.held = False
        self._records = records_in(folder)
        self._key = str(version)
        self._name = name
        found = self._records.get(self._key)
        if found is not None and found.document.state == "adding" and not passed(found.document.expires):
            raise self._taken()
        self._record = VersionRecord(state="adding", writer=uuid.uuid4().hex, expires=after(_CLAIM_SECONDS))
        try:
            self._etag = self._records.put(self._key, self._record, expecting=found.etag if found else None)
        except ChangedMeanwhileError as error:
            raise self._taken() from error
        self.held = True
        self._renewed = time.monotonic()

    def renew_in_time(self) -> None:
        """Renew it when half of its time is over."""
        if time.monotonic() - self._renewed > _CLAIM_SECONDS / 2:
            self.renew()

    def renew(self) -> None:
        """Hold it anew; RegistryError if another writer took it over because this one was too slow."""
        renewed = msgspec.structs.replace(self._record, expires=after(_CLAIM_SECONDS))
        try:
            self._etag = self._records.put(self._key, renewed, expecting=self._etag)
        except ChangedMeanwhileError as error:
            self.held = False
            raise RegistryError(f"another writer took {self._name}:{self.version} over; try again") from error
        self._record = renewed
        self._renewed = time.monotonic()

    def give_up(self) -> None:
        """Free the number, if it is still held."""
        with contextlib.suppress(ChangedMeanwhileError):
            self._records.delete(self._key, expecting=self._etag)

    def _taken(self) -> RecordExistsError:
        reason = "is being added by somebody else, or was until ten minutes ago"
        return RecordExistsError("version", f"{self._name}:{self.version}", reason)
