"""Documents in an object store: an object each, written under S3's conditions.

Other stores than S3 are read; they are not written, since fsspec has no word for "only if it is still this one" that holds
on all of them.
"""

from __future__ import annotations

import hashlib

from accelserve.models.registry.s3_objects import S3Objects
from accelserve.models.repository.object_store import Store

_SUFFIX = ".json"


class ObjectDocuments:
    """See ``DocumentStore``.

    Args:
        store: fsspec's file system.
        root: path in it, with the bucket.
        where: URI, for messages.
    """

    def __init__(self, store: Store, root: str, where: str) -> None:
        self.where = where
        self._store = store
        self._root = root
        self._objects = S3Objects(store, where)

    def get(self, key: str) -> tuple[bytes, str] | None:
        """See ``DocumentStore``."""
        path = self._path(key)
        try:
            if self._objects.conditional:
                return self._objects.get(path)
            data = self._store.cat_file(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return data, hashlib.sha256(data).hexdigest()[:32]

    def put(self, key: str, data: bytes, *, expecting: str | None) -> str:
        """See ``DocumentStore``."""
        return self._objects.put(self._path(key), data, expecting=expecting)

    def overwrite(self, key: str, data: bytes) -> None:
        """See ``DocumentStore``."""
        self._objects.write(self._path(key), data)

    def renew(self, key: str, data: bytes) -> None:
        """See ``DocumentStore``. A store has no folders."""
        self.overwrite(key, data)

    def list(self, prefix: str = "") -> list[str]:
        """See ``DocumentStore``."""
        folder = prefix.rpartition("/")[0]
        try:
            found = self._store.find(f"{self._root}/{folder}".rstrip("/"))
        except FileNotFoundError:  # no such bucket
            return []
        keys = [path.removeprefix(f"{self._root}/") for path in found if path.endswith(_SUFFIX)]
        return sorted(key.removesuffix(_SUFFIX) for key in keys if key.startswith(prefix))

    def delete(self, key: str, *, expecting: str | None = None) -> bool:
        """See ``DocumentStore``."""
        if self.get(key) is None:
            return False
        self._objects.delete(self._path(key), expecting)
        return True

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}{_SUFFIX}"
