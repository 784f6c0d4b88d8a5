"""Versions of a repository, on a file system or in an object store."""

from __future__ import annotations

from accelserve.models.errors import ModelNotFoundError
from accelserve.models.repository import MANIFEST_FILE, version_directory
from accelserve.models.repository.location import is_remote, local_path
from accelserve.models.repository.object_store import store_of


def has_version(repository: str, name: str, version: int) -> bool:
    """Whether a repository, a folder or a URI, has a complete version of a model."""
    if is_remote(repository):
        store, root = store_of(repository)
        return store.exists(f"{root}/{name}/{version}/{MANIFEST_FILE}")
    try:
        return (version_directory(local_path(repository), name, version) / MANIFEST_FILE).exists()
    except ModelNotFoundError:
        return False
