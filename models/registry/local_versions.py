"""Versions on a file system."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from accelserve.models.errors import ModelNotFoundError, ReadOnlyError, RecordExistsError, RepositoryError
from accelserve.models.registry.copying import check_files, copy_checked
from accelserve.models.repository import delete_version, list_models, list_versions, version_directory
from accelserve.models.repository.store import (
    UNFINISHED_PREFIX,
    adding_to,
    check_destination,
    sync_directory,
)

if TYPE_CHECKING:
    from accelserve.models.registry.versions import Progress, Source

_MAY_NOT_WRITE = frozenset((errno.EACCES, errno.EPERM, errno.EROFS))


class LocalVersions:
    """See ``Versions``."""

    def __init__(self, root: Path, manifest_file: str) -> None:
        self.manifest_file = manifest_file
        self._root = root

    def names(self) -> list[str]:
        """See ``Versions``."""
        return list_models(self._root)

    def numbers(self, name: str) -> list[int]:
        """See ``Versions``."""
        return list_versions(self._root, name)

    def folder(self, name: str) -> str:
        """See ``Versions``."""
        return str(self._root / name)

    def location(self, name: str, version: int) -> str:
        """See ``Versions``."""
        return str(version_directory(self._root, name, version))

    def manifest(self, name: str, version: int) -> bytes:
        """See ``Versions``."""
        try:
            return (version_directory(self._root, name, version) / self.manifest_file).read_bytes()
        except FileNotFoundError as error:
            raise ModelNotFoundError(name, version, self._root) from error

    def open(self, name: str, version: int, file: str) -> AbstractContextManager[BinaryIO]:
        """See ``Versions``."""
        return (version_directory(self._root, name, version) / file).open("rb")

    def add(
        self,
        name: str,
        version: int | None,
        files: Mapping[str, Source],
        manifest: Callable[[int], bytes],
        progress: Progress,
    ) -> int:
        """See ``Versions``."""
        check_files(files, f"{self._root}/{name}")
        folder = check_destination(self._root, name)
        with _refusals(folder), adding_to(folder):
            there = self.numbers(name)
            if version in there:
                raise RecordExistsError("version", f"{name}:{version}", f"is in {self._root} already")
            picked = version if version is not None else max(there, default=0) + 1
            self._write(folder, picked, files, manifest(picked), progress)
        return picked

    def remove(self, name: str, version: int) -> None:
        """See ``Versions``."""
        with _refusals(self._root / name):
            delete_version(self._root, name, version)

    def _write(
        self, folder: Path, version: int, files: Mapping[str, Source], manifest: bytes, progress: Progress
    ) -> None:
        total = sum(source.record.bytes for source in files.values() if source.record)
        done = 0

        def advanced(count: int) -> None:
            nonlocal done
            done += count
            progress(done, max(total, done))

        unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED_PREFIX, dir=folder))
        try:
            unfinished.chmod(0o755)  # mkdtemp's 0700 would hide the model from a server of another user
            for file, source in files.items():
                path = unfinished / file
                path.parent.mkdir(parents=True, exist_ok=True)
                with source.open() as stream, path.open("wb") as copy:
                    copy_checked(stream, copy, source.record, f"{folder}/{version}/{file}", advanced)
                    copy.flush()
                    os.fsync(copy.fileno())
            (unfinished / self.manifest_file).write_bytes(manifest)
            sync_directory(unfinished)
            unfinished.rename(folder / str(version))
            sync_directory(folder)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise


@contextmanager
def _refusals(folder: Path) -> Iterator[None]:
    """The file system's refusals, in words."""
    try:
        yield
    except OSError as error:
        if error.errno in _MAY_NOT_WRITE:
            raise ReadOnlyError(str(folder), error.strerror or str(error)) from error
        raise RepositoryError(f"cannot write {folder}: {error.strerror or error}") from error
