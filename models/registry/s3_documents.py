"""Documents in an object store: an object each, written under S3's conditions.

Other stores than S3 are read; they are not written, since fsspec has no word for "only if it is still this one" that holds
on all of them.
"""

from __future__ import annotations

import hashlib
from typing import Any, Protocol, cast

from accelserve.models.errors import ChangedMeanwhileError, ReadOnlyError, RegistryError
from accelserve.models.repository.object_store import Store

_SUFFIX = ".json"
# What S3 answers to a condition that does not hold, and to two conditional writes at the same moment.
_CHANGED = frozenset(("PreconditionFailed", "ConditionalRequestConflict"))


class _S3(Protocol):
    """The part of s3fs' S3FileSystem that writes under conditions."""

    loop: Any

    def call_s3(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Call boto's method; an OSError of the fitting kind has boto's own error for its cause."""

    def split_path(self, path: str) -> tuple[str, str, str | None]:
        """Bucket, key and version of an object."""


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
        self._s3 = cast("_S3", store) if hasattr(store, "call_s3") else None

    def get(self, key: str) -> tuple[bytes, str] | None:
        """See ``DocumentStore``."""
        path = self._path(key)
        try:
            if self._s3 is None:
                data = self._store.cat_file(path)
                return data, hashlib.sha256(data).hexdigest()[:32]
            return self._get(self._s3, path)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def put(self, key: str, data: bytes, *, expecting: str | None) -> str:
        """See ``DocumentStore``."""
        condition = {"IfNoneMatch": "*"} if expecting is None else {"IfMatch": expecting}
        answer = self._call("put_object", key, Body=data, ContentType="application/json", **condition)
        return str(answer["ETag"])

    def overwrite(self, key: str, data: bytes) -> None:
        """See ``DocumentStore``."""
        self._call("put_object", key, Body=data, ContentType="application/json")

    def list(self, prefix: str = "") -> list[str]:
        """See ``DocumentStore``."""
        folder = prefix.rpartition("/")[0]
        found = self._store.find(f"{self._root}/{folder}".rstrip("/"))
        keys = [path.removeprefix(f"{self._root}/") for path in found if path.endswith(_SUFFIX)]
        return sorted(key.removesuffix(_SUFFIX) for key in keys if key.startswith(prefix))

    def delete(self, key: str, *, expecting: str | None = None) -> bool:
        """See ``DocumentStore``."""
        if self.get(key) is None:
            return False
        self._call("delete_object", key, **({} if expecting is None else {"IfMatch": expecting}))
        return True

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}{_SUFFIX}"

    @staticmethod
    def _get(s3: _S3, path: str) -> tuple[bytes, str]:
        """Content and etag of one moment, which ``cat_file`` and ``info`` would not give."""
        from fsspec.asyn import sync

        bucket, key, _ = s3.split_path(path)
        answer = s3.call_s3("get_object", Bucket=bucket, Key=key)
        return bytes(sync(s3.loop, answer["Body"].read)), str(answer["ETag"])

    def _call(self, method: str, key: str, **arguments: Any) -> dict[str, Any]:
        if self._s3 is None:
            scheme = self.where.partition("://")[0]
            raise ReadOnlyError(
                self.where, f"{scheme}:// stores are read only; s3:// and folders are written"
            )
        bucket, path, _ = self._s3.split_path(self._path(key))
        try:
            return self._s3.call_s3(method, Bucket=bucket, Key=path, **arguments)
        except PermissionError as error:
            raise ReadOnlyError(self.where, str(error)) from error
        except OSError as error:
            code = getattr(error.__cause__, "response", {}).get("Error", {}).get("Code", "")
            # If-Match of an object that is gone is "no such key"
            if code in _CHANGED or (code == "NoSuchKey" and "IfMatch" in arguments):
                raise ChangedMeanwhileError(key, self.where) from error
            raise RegistryError(f"{self.where} cannot be written: {error}") from error
