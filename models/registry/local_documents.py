"""Documents in a folder: a file each, written beside its place and renamed, under a lock of the folder."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from accelserve.models.errors import ChangedMeanwhileError, ReadOnlyError, RegistryError

_SUFFIX = ".json"
_LOCK_FILE = ".lock"
_UNFINISHED = ".unfinished-"
_MAY_NOT_WRITE = frozenset((errno.EACCES, errno.EPERM, errno.EROFS))


class LocalDocuments:
    """See ``DocumentStore``. The folder is made by the first write; a reader takes no lock."""

    def __init__(self, folder: Path) -> None:
        self.where = str(folder)
        self._folder = folder

    def get(self, key: str) -> tuple[bytes, str] | None:
        """See ``DocumentStore``."""
        try:
            data = self._path(key).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return data, _etag(data)

    def put(self, key: str, data: bytes, *, expecting: str | None) -> str:
        """See ``DocumentStore``."""
        with self._locked(make=True):
            self._expect(key, expecting)
            self._write(key, data)
        return _etag(data)

    def overwrite(self, key: str, data: bytes) -> None:
        """See ``DocumentStore``."""
        with self._locked(make=True):
            self._write(key, data)

    def renew(self, key: str, data: bytes) -> None:
        """See ``DocumentStore``."""
        with _in_words(self.where, may_be_gone=True):
            self._make(self._folder)
        with self._locked():
            self._write(key, data)

    def list(self, prefix: str = "") -> list[str]:
        """See ``DocumentStore``."""
        below = self._folder / prefix.rpartition("/")[0]
        files = (
            path for path in below.rglob(f"*{_SUFFIX}") if path.is_file()
        )  # a folder may be called so, too
        keys = (path.relative_to(self._folder).as_posix().removesuffix(_SUFFIX) for path in files)
        return sorted(key for key in keys if key.startswith(prefix) and _UNFINISHED not in key)

    def delete(self, key: str, *, expecting: str | None = None) -> bool:
        """See ``DocumentStore``."""
        path = self._path(key)
        try:
            with self._locked():
                if expecting is not None:
                    self._expect(key, expecting)
                path.unlink()
                self._drop_empty(path.parent)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}{_SUFFIX}"

    def _expect(self, key: str, expecting: str | None) -> None:
        found = self.get(key)
        if (found[1] if found else None) != expecting:
            raise ChangedMeanwhileError(key, self.where)

    def _write(self, key: str, data: bytes) -> None:
        path = self._path(key)
        self._make(path.parent)
        descriptor, name = tempfile.mkstemp(prefix=_UNFINISHED, dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).chmod(self._mode & 0o666)  # mkstemp's 0600 would hide it from a server of another user
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    @property
    def _mode(self) -> int:
        """Of the folder that the documents are about: who may write there may write these."""
        return stat.S_IMODE(self._folder.parent.stat().st_mode)

    def _make(self, folder: Path) -> None:
        """Make a folder, open to those whom the model's or the repository's own is open to; that one has to be there."""
        missing = [
            each
            for each in (folder, *folder.parents)
            if each.is_relative_to(self._folder) and not each.exists()
        ]
        for each in reversed(missing):
            with contextlib.suppress(FileExistsError):
                each.mkdir()
                each.chmod(self._mode)

    def _lock_file(self) -> int:
        path = self._folder / _LOCK_FILE
        if not path.exists():
            with contextlib.suppress(FileExistsError):
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
                path.chmod(self._mode & 0o666)
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def _drop_empty(self, folder: Path) -> None:
        """Remove the folders that held nothing but the document."""
        while folder != self._folder:
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent

    @contextlib.contextmanager
    def _locked(self, *, make: bool = False) -> Iterator[None]:
        """Hold the folder against other writers; the lock goes with the process, however it ends."""
        with _in_words(self.where, may_be_gone=not make):
            if make:
                self._folder.parent.mkdir(parents=True, exist_ok=True)
                self._make(self._folder)
            descriptor = self._lock_file()
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield
            finally:
                os.close(descriptor)


@contextlib.contextmanager
def _in_words(where: str, *, may_be_gone: bool) -> Iterator[None]:
    """The file system's refusals, but for that of a folder that is gone if it may be."""
    try:
        yield
    except OSError as error:
        if may_be_gone and isinstance(error, FileNotFoundError | NotADirectoryError):
            raise
        if error.errno in _MAY_NOT_WRITE:
            raise ReadOnlyError(where, error.strerror or str(error)) from error
        raise RegistryError(f"{where} cannot be written: {error.strerror or error}") from error


def _etag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]
