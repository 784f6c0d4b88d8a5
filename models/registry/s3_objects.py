"""S3's objects, written under conditions: what fsspec has no word for."""

from __future__ import annotations

from typing import Any, Protocol, cast

from accelserve.models.errors import ChangedMeanwhileError, ReadOnlyError, RegistryError
from accelserve.models.repository.object_store import Store

# What S3 answers to a condition that does not hold, and to two conditional writes at the same moment.
_CHANGED = frozenset(("PreconditionFailed", "ConditionalRequestConflict"))


class _S3(Protocol):
    """The part of s3fs' S3FileSystem that writes under conditions."""

    loop: Any

    def call_s3(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Call boto's method; an OSError of the fitting kind has boto's own error for its cause."""

    def split_path(self, path: str) -> tuple[str, str, str | None]:
        """Bucket, key and version of an object."""


class S3Objects:
    """Single objects of a store, by their paths in it. Thread-safe.

    Args:
        store: fsspec's file system; others than s3fs' are refused at the first write.
        where: URI, for messages.
    """

    def __init__(self, store: Store, where: str) -> None:
        self._s3 = cast("_S3", store) if hasattr(store, "call_s3") else None
        self._where = where

    @property
    def conditional(self) -> bool:
        """Whether the store is S3."""
        return self._s3 is not None

    def get(self, path: str) -> tuple[bytes, str]:
        """Content and etag of one moment, which ``cat_file`` and ``info`` would not give; FileNotFoundError."""
        from fsspec.asyn import sync

        s3, bucket, key = self._object(path)
        answer = s3.call_s3("get_object", Bucket=bucket, Key=key)
        return bytes(sync(s3.loop, answer["Body"].read)), str(answer["ETag"])

    def put(self, path: str, data: bytes, *, expecting: str | None) -> str:
        """Write an object that must have this etag, or must not exist if None; the new etag. Errors as ``write``."""
        condition = {"IfNoneMatch": "*"} if expecting is None else {"IfMatch": expecting}
        return self.write(path, data, **condition)

    def write(self, path: str, data: bytes, **condition: str) -> str:
        """Write an object; the new etag.

        Raises:
            ChangedMeanwhileError: the condition does not hold.
            ReadOnlyError: nobody may write here, or the store is none of S3's.
            RegistryError: the store refuses for another reason.
        """
        kind = "application/json"
        return str(self._call("put_object", path, Body=data, ContentType=kind, **condition)["ETag"])

    def delete(self, path: str, expecting: str | None = None) -> None:
        """Remove an object, if it has this etag; errors as ``write``."""
        self._call("delete_object", path, **({} if expecting is None else {"IfMatch": expecting}))

    def _object(self, path: str) -> tuple[_S3, str, str]:
        if self._s3 is None:
            scheme = self._where.partition("://")[0]
            raise ReadOnlyError(
                self._where, f"{scheme}:// stores are read only; s3:// and folders are written"
            )
        bucket, key, _ = self._s3.split_path(path)
        return self._s3, bucket, key

    def _call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        s3, bucket, key = self._object(path)
        try:
            return s3.call_s3(method, Bucket=bucket, Key=key, **arguments)
        except PermissionError as error:
            raise ReadOnlyError(self._where, str(error)) from error
        except OSError as error:
            code = getattr(error.__cause__, "response", {}).get("Error", {}).get("Code", "")
            # If-Match of an object that is gone is "no such key"
            if code in _CHANGED or (code == "NoSuchKey" and "IfMatch" in arguments):
                raise ChangedMeanwhileError(key, self._where) from error
            raise RegistryError(f"{self._where} cannot be written: {error}") from error
