"""A model repository on a file system: ``REPOSITORY/NAME/VERSION/{model.onnx, servable.json}``.

A version appears whole or not at all: it is written beside its place under a name that no reader takes for a version,
forced to disk, and renamed. Whoever is killed half-way leaves only such a folder, which a later publication sweeps up.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from accelserve.models.errors import CorruptVersionError, ModelNameError, ModelNotFoundError, RepositoryError
from accelserve.models.repository.manifest import (
    MANIFEST_FILE,
    FileRecord,
    Manifest,
    decode_manifest,
    encode_manifest,
)

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
EXTRA_FILES = ("batching_params.pbtxt", "assets.extra/tf_serving_warmup_requests")
"""Files that a version may have beside those that its manifest lists, by TensorFlow Serving's names."""
UNFINISHED_PREFIX = ".unfinished-"
LOCK_FILE = ".lock"
_CHUNK_BYTES = 1 << 20
_MAX_VERSION = 2**63 - 1
_MOST_DIGITS = 19


def check_name(name: str) -> str:
    """The name itself; ModelNameError if a repository cannot hold it."""
    if not NAME_PATTERN.fullmatch(name):
        raise ModelNameError(
            name,
            "is no model name: up to 128 letters, digits, '.', '_' and '-', beginning with a letter or digit",
        )
    return name


def check_version(version: int) -> int:
    """The number itself; ModelNameError if no version can have it."""
    if not 1 <= version <= _MAX_VERSION:
        raise ModelNameError(str(version), "is no version: a whole number of 1 or more, less than 2^63")
    return version


def check_destination(repository: Path, name: str) -> Path:
    """The folder that versions of the model are published to.

    Raises:
        ModelNameError: a repository cannot hold a model of that name.
        RepositoryError: the repository is a Python package's folder, where servables would lie among sources.
    """
    if (repository / "__init__.py").exists():
        raise RepositoryError(
            f"{repository} is the folder of a Python package (it has an __init__.py), not a repository of models; "
            "name another one, such as 'servables'"
        )
    return repository / check_name(name)


def list_models(repository: Path) -> list[str]:
    """Names of models with at least one version, sorted; empty if the repository does not exist."""
    if not repository.is_dir():
        return []
    return sorted(
        entry.name
        for entry in repository.iterdir()
        if NAME_PATTERN.fullmatch(entry.name) and entry.is_dir() and list_versions(repository, entry.name)
    )


def list_versions(repository: Path, name: str) -> list[int]:
    """Published versions, ascending; empty if there are none."""
    folder = repository / name
    if not folder.is_dir():
        return []
    return sorted(versions_among(entry.name for entry in folder.iterdir() if entry.is_dir()))


def versions_among(names: Iterable[str]) -> dict[int, list[str]]:
    """Version -> those of the names that mean it, the shortest first: ``123`` and ``00123`` mean the same."""
    found: dict[int, list[str]] = {}
    for name in sorted(names, key=lambda each: (len(each), each)):
        number = version_number(name)
        if number is not None:
            found.setdefault(number, []).append(name)
    return found


def version_number(name: str) -> int | None:
    """The version that a folder's name means: ASCII digits, an int64 as in the protocol; None for any other name."""
    if not (name.isascii() and name.isdigit()) or len(name.lstrip("0")) > _MOST_DIGITS:
        return None
    number = int(name)
    return number if number <= _MAX_VERSION else None


def version_directory(repository: Path, name: str, version: int | None = None) -> Path:
    """Folder of a version, the latest if None; ModelNotFoundError if there is none."""
    folder = repository / name
    children = folder.iterdir() if folder.is_dir() else ()
    versions = versions_among(entry.name for entry in children if entry.is_dir())
    if not versions:
        raise ModelNotFoundError(name, None, repository)
    if version is not None and version not in versions:
        raise ModelNotFoundError(name, version, repository)
    return folder / versions[max(versions) if version is None else version][0]


def latest_version(folder: Path) -> Path:
    """The latest version in a model's folder, or the folder itself if it is a version already.

    A folder that is neither is returned as it is: ``read_manifest`` says what it lacks.
    """
    if (folder / MANIFEST_FILE).exists() or not list_versions(folder.parent, folder.name):
        return folder
    return version_directory(folder.parent, folder.name)


def publish(
    repository: Path,
    manifest: Callable[[int], Manifest],
    files: Mapping[str, bytes],
    *,
    name: str,
    version: int | None = None,
) -> Path:
    """Publish a version, atomically.

    Args:
        repository: made if it does not exist.
        manifest: gives the manifest for the version number that was picked; its ``files`` are filled in here.
        files: file name -> content.
        name: of the model.
        version: a number, or None for the next one after the latest.

    Returns:
        The version's folder.

    Raises:
        ModelNameError: a name that is not allowed, or a version below 1.
        RepositoryError: the version exists already, the repository is a Python package, or the file system refuses.
    """
    folder = check_destination(repository, name)
    if version is not None:
        check_version(version)
    try:
        with adding_to(folder):
            picked = version or max(list_versions(repository, name), default=0) + 1
            final = folder / str(picked)
            if final.exists():
                raise RepositoryError(f"{final} exists already; publish another version or delete this one")
            described = msgspec.structs.replace(manifest(picked), files=records_of(files))
            _write_and_rename(folder, final, {**files, MANIFEST_FILE: encode_manifest(described)})
    except OSError as error:
        raise RepositoryError(f"cannot publish to {folder}: {error.strerror or error}") from error
    return final


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a version's folder, without a look at the other files.

    A folder that is copied or renamed to another number is that version: so TensorFlow Serving's users roll back.

    Raises:
        CorruptVersionError: the file is missing.
        ManifestError: it breaks its schema.
    """
    try:
        data = (directory / MANIFEST_FILE).read_bytes()
    except OSError as error:
        reason = (
            f"{MANIFEST_FILE} cannot be read ({error.strerror}); publish the model with 'accelserve convert'"
        )
        raise CorruptVersionError(directory, reason) from error
    manifest = decode_manifest(data)
    number = version_number(directory.name)
    return manifest if number is None else msgspec.structs.replace(manifest, version=number)


def verify(directory: Path) -> Manifest:
    """The manifest of a version whose every file has the recorded length and hash.

    Raises:
        CorruptVersionError: a file is missing, cut short or altered.
        ManifestError: the manifest breaks its schema.
    """
    manifest = read_manifest(directory)
    for file, record in manifest.files.items():
        _check_file(directory, file, record)
    return manifest


def delete_version(repository: Path, name: str, version: int) -> None:
    """Remove one version; the name disappears at once, its bytes after. ModelNotFoundError if there is none."""
    directory = version_directory(repository, check_name(name), version)
    folder = directory.parent
    with locked(folder):
        doomed = Path(tempfile.mkdtemp(prefix=UNFINISHED_PREFIX, dir=folder))
        directory.rename(doomed / directory.name)
        shutil.rmtree(doomed)


def delete_model(repository: Path, name: str) -> None:
    """Remove every version of a model and its folder; ModelNotFoundError if there is none."""
    versions = list_versions(repository, check_name(name))
    if not versions:
        raise ModelNotFoundError(name, None, repository)
    for version in versions:
        delete_version(repository, name, version)
    shutil.rmtree(repository / name)


def records_of(files: Mapping[str, bytes]) -> dict[str, FileRecord]:
    """What a manifest records of files, by their names."""
    return {file: FileRecord(bytes=len(data), sha256=sha256_of(data)) for file, data in files.items()}


def sha256_of(data: bytes) -> str:
    """SHA-256 of ``data``, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _check_file(directory: Path, file: str, record: FileRecord) -> None:
    path = directory / file
    if Path(file).name != file:
        raise CorruptVersionError(
            directory, f"{MANIFEST_FILE} names '{file}', which is outside the version's folder"
        )
    try:
        size = path.stat().st_size
        if size != record.bytes:
            raise CorruptVersionError(
                directory, f"{file} has {size} bytes, {MANIFEST_FILE} says {record.bytes}"
            )
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise CorruptVersionError(directory, f"{file} cannot be read ({error.strerror})") from error
    if found != record.sha256:
        raise CorruptVersionError(
            directory, f"{file} has SHA-256 {found[:12]}..., {MANIFEST_FILE} says {record.sha256[:12]}..."
        )


@contextlib.contextmanager
def adding_to(folder: Path) -> Iterator[None]:
    """Hold a model's folder while a version is added; it is made if need be, and gone again if the block fails."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    with _made_and_locked(folder):
        _sweep(folder)
        try:
            yield
        except BaseException:
            if missing and [each.name for each in folder.iterdir()] == [LOCK_FILE]:
                (folder / LOCK_FILE).unlink()
                with contextlib.suppress(OSError):  # others have put something there meanwhile
                    for each in missing:
                        each.rmdir()
            raise


@contextlib.contextmanager
def _made_and_locked(folder: Path) -> Iterator[None]:
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locked(folder))
                there = (folder / LOCK_FILE).exists()
            except FileNotFoundError:  # whoever made the folder has failed, and taken it away
                continue
            if there:
                yield
                return


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the model's folder against other publishers; the lock goes with the process, however it ends."""
    descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sweep(folder: Path) -> None:
    """Remove what was left half done in a model's folder; to be called while it is locked."""
    for left_over in folder.glob(f"{UNFINISHED_PREFIX}*"):
        shutil.rmtree(left_over, ignore_errors=True)


def _write_and_rename(folder: Path, final: Path, files: Mapping[str, bytes]) -> None:
    unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED_PREFIX, dir=folder))
    try:
        unfinished.chmod(0o755)  # mkdtemp's 0700 would hide the model from a server of another user
        for file, data in files.items():
            _write(unfinished / file, data)
        sync_directory(unfinished)
        unfinished.rename(final)
        sync_directory(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as stream:
        for start in range(0, len(data), _CHUNK_BYTES):
            stream.write(memoryview(data)[start : start + _CHUNK_BYTES])
        stream.flush()
        os.fsync(stream.fileno())


def sync_directory(folder: Path) -> None:
    """Have what a folder lists survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
