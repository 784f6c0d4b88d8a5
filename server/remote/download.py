"""Brings one version of a remote model here: whole, verified, and renamed into its place in the end."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from pathlib import Path, PurePosixPath

from accelserve.models.errors import ModelError
from accelserve.models.repository import Manifest, decode_manifest
from accelserve.models.repository.object_store import Store
from accelserve.server.errors import LoadError

MANIFEST = "servable.json"
UNFINISHED = ".unfinished-"
# The version's own files beside those that its manifest lists: neither is needed, both are checked when they are used.
_EXTRAS = ("batching_params.pbtxt", "assets.extra/tf_serving_warmup_requests")
_CHUNK_BYTES = 1 << 20


def download_version(store: Store, remote: str, folder: Path, version: int) -> str:
    """Copy a version into ``folder/VERSION``, in place of what is there.

    Args:
        store: where ``remote`` is.
        remote: the version's folder.
        folder: of the model, here.
        version: its number.

    Returns:
        SHA-256 of the manifest, which stands for the version's content.

    Raises:
        LoadError: the upload is not finished, does not fit its manifest, or there is no room for it.
        OSError: the store cannot be reached.
    """
    manifest, data = _manifest(store, remote)
    folder.mkdir(parents=True, exist_ok=True)
    _require_room(folder, remote, sum(record.bytes for record in manifest.files.values()))
    unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=folder))
    try:
        for file, record in manifest.files.items():
            _copy(
                store,
                f"{remote}/{file}",
                unfinished / PurePosixPath(file).name,
                record.bytes,
                record.sha256,
            )
        for extra in _EXTRAS:
            _copy_if_there(store, f"{remote}/{extra}", unfinished / extra)
        (unfinished / MANIFEST).write_bytes(data)
        _put_in_place(unfinished, folder / str(version))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise LoadError(f"cannot keep {remote} in {folder}: {error.strerror}; free some space") from error
        raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return hashlib.sha256(data).hexdigest()


def _manifest(store: Store, remote: str) -> tuple[Manifest, bytes]:
    try:
        data = bytes(store.cat_file(f"{remote}/{MANIFEST}"))
    except FileNotFoundError as error:
        raise LoadError(
            f"{remote} has no {MANIFEST} yet; upload it last, it tells that the rest is there"
        ) from error
    try:
        manifest = decode_manifest(data)
    except ModelError as error:
        raise LoadError(f"{remote}: {error}") from error
    return manifest, data


def _require_room(folder: Path, remote: str, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise LoadError(
            f"cannot keep {remote} in {folder}: it has {needed} bytes and {free} are free; free some space"
        )


def _copy(store: Store, source: str, target: Path, size: int, sha256: str) -> None:
    digest = hashlib.sha256()
    written = 0
    try:
        with store.open(source, "rb") as stream, target.open("wb") as copy:
            # One byte more than announced is enough to know that the file is another one.
            while written <= size and (chunk := stream.read(_CHUNK_BYTES)):
                copy.write(chunk)
                digest.update(chunk)
                written += len(chunk)
            copy.flush()
            os.fsync(copy.fileno())
    except FileNotFoundError as error:
        raise LoadError(f"{source} is not there yet, and {MANIFEST} lists it") from error
    if written != size or digest.hexdigest() != sha256:
        found = f"{written} bytes with SHA-256 {digest.hexdigest()[:12]}..."
        raise LoadError(f"{source} has {found}; {MANIFEST} says {size} bytes with {sha256[:12]}...")


def _copy_if_there(store: Store, source: str, target: Path) -> None:
    if store.exists(source):
        target.parent.mkdir(parents=True, exist_ok=True)
        with store.open(source, "rb") as stream, target.open("wb") as copy:
            shutil.copyfileobj(stream, copy, _CHUNK_BYTES)


def _put_in_place(finished: Path, final: Path) -> None:
    if final.exists():
        # A folder with content cannot be replaced in one step; for a moment there is none, and what serves goes on.
        final.rename(finished.with_name(f"{finished.name}-old"))
        shutil.rmtree(finished.with_name(f"{finished.name}-old"), ignore_errors=True)
    finished.chmod(0o755)
    finished.rename(final)
