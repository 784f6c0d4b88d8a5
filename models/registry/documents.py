"""Small JSON documents beside the models, on a file system or in an object store, safe against two writers.

Every document has an etag, which changes with its content. A writer names the etag that it read, and is refused if another
one wrote meanwhile: on file systems under a lock, in S3 by its conditional writes (``If-Match``, ``If-None-Match``).
Whoever reads finds a document whole, the old or the new one, and never half of it.
"""

from __future__ import annotations

import contextlib
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

import msgspec

from accelserve.models.errors import ChangedMeanwhileError, RegistryError
from accelserve.models.registry.local_documents import LocalDocuments
from accelserve.models.registry.object_documents import ObjectDocuments
from accelserve.models.repository.location import is_remote, local_path
from accelserve.models.repository.object_store import store_of

FOLDER = ".accelserve"
"""Where documents are, in a repository and in each model's folder. A version's folder is a number, so this is none."""

_SEGMENT = re.compile(r"[A-Za-z0-9_%][A-Za-z0-9._%-]{0,239}")
_TRIES = 20
_LONGEST_WAIT_SECONDS = 0.5

T = TypeVar("T", bound=msgspec.Struct)


class DocumentStore(Protocol):
    """Keeps bytes under keys, ``images/web/v1``. Thread-safe, and safe against other processes and machines."""

    where: str
    """Folder or URI, for messages."""

    def get(self, key: str) -> tuple[bytes, str] | None:
        """Content and etag; None if there is no such document."""

    def put(self, key: str, data: bytes, *, expecting: str | None) -> str:
        """Write a document.

        Args:
            key: of it.
            data: its content.
            expecting: etag that it must have, or None if it must not exist.

        Returns:
            The new etag.

        Raises:
            ChangedMeanwhileError: it is another one, or none, or it exists.
            ReadOnlyError: nobody may write here.
        """

    def overwrite(self, key: str, data: bytes) -> None:
        """Write a document whatever is there: for those that have one writer only. ReadOnlyError as above."""

    def renew(self, key: str, data: bytes) -> None:
        """As ``overwrite``, beside what is there: a folder that was deleted does not come back.

        Raises:
            FileNotFoundError: the folder that the documents are about is gone.
            ReadOnlyError: nobody may write here.
        """

    def list(self, prefix: str = "") -> list[str]:
        """Keys that begin with ``prefix``, sorted; ``images/`` is a folder and all below it."""

    def delete(self, key: str, *, expecting: str | None = None) -> bool:
        """Remove a document; whether there was one.

        Args:
            key: of it.
            expecting: etag that it must have; None removes any.

        Raises:
            ChangedMeanwhileError: it has another etag.
            ReadOnlyError: nobody may write here.
        """


def documents_at(location: str) -> DocumentStore:
    """The documents kept in a repository or a model's folder: a path or a URI.

    Raises:
        RepositoryError: the URI's scheme is unknown, or its package is not installed.
    """
    if not is_remote(location):
        return LocalDocuments(local_path(location) / FOLDER)
    store, root = store_of(location)
    return ObjectDocuments(store, f"{root}/{FOLDER}", f"{location.rstrip('/')}/{FOLDER}")


class Found(NamedTuple, Generic[T]):
    """A document and its etag."""

    document: T
    etag: str


@dataclass(frozen=True, slots=True)
class Documents(Generic[T]):
    """Documents of one schema in a folder of a store.

    Attributes:
        store: that keeps them.
        decoder: of the schema; made while its module is imported, as every decoder of this project.
        prefix: that every key gets, ``images/``.
    """

    store: DocumentStore
    decoder: msgspec.json.Decoder[T]
    prefix: str = ""

    def get(self, key: str) -> Found[T] | None:
        """A document and its etag; None if there is none. RegistryError if it breaks the schema."""
        found = self.store.get(self._checked(key))
        return None if found is None else Found(self._decoded(key, found[0]), found[1])

    def put(self, key: str, document: T, *, expecting: str | None) -> str:
        """As ``DocumentStore.put``."""
        return self.store.put(self._checked(key), _encoded(document), expecting=expecting)

    def renew(self, key: str, document: T) -> None:
        """As ``DocumentStore.renew``."""
        self.store.renew(self._checked(key), _encoded(document))

    def change(self, key: str, changed: Callable[[T | None], T]) -> T:
        """Read a document, write what ``changed`` makes of it, and begin again if another writer was faster.

        Args:
            key: of the document.
            changed: takes what is there, or None; may be called several times; what it raises ends the change.

        Returns:
            What was written.

        Raises:
            ChangedMeanwhileError: others were faster again and again.
            ReadOnlyError: nobody may write here.
        """
        for attempt in range(_TRIES):
            time.sleep(_wait_seconds(attempt))
            found = self.get(key)
            document = changed(found.document if found else None)
            if found is not None and document == found.document:
                return document
            with contextlib.suppress(ChangedMeanwhileError):
                self.put(key, document, expecting=found.etag if found else None)
                return document
        raise ChangedMeanwhileError(f"{self.prefix}{key}", self.store.where)

    def keys(self, prefix: str = "") -> list[str]:
        """Keys that begin with ``prefix``, sorted, without the folder's own part."""
        return [key.removeprefix(self.prefix) for key in self.store.list(f"{self.prefix}{prefix}")]

    def all(self, prefix: str = "") -> dict[str, T]:
        """Every document whose key begins with ``prefix``; one that goes meanwhile is left out."""
        found = {key: self.get(key) for key in self.keys(prefix)}
        return {key: each.document for key, each in found.items() if each is not None}

    def delete(self, key: str, *, expecting: str | None = None) -> bool:
        """As ``DocumentStore.delete``."""
        return self.store.delete(self._checked(key), expecting=expecting)

    def _checked(self, key: str) -> str:
        if not all(_SEGMENT.fullmatch(segment) for segment in key.split("/")):
            raise RegistryError(
                f"'{key}' is no key of a document: names of letters, digits, '.', '_', '-', '%' and '/'"
            )
        return f"{self.prefix}{key}"

    def _decoded(self, key: str, data: bytes) -> T:
        try:
            return self.decoder.decode(data)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise RegistryError(
                f"{self.store.where}/{self.prefix}{key}.json cannot be read: {error}"
            ) from error


def _wait_seconds(attempt: int) -> float:
    """Before a writer tries again, by chance, so that those who met do not meet again: nothing before the first try."""
    return 0.0 if attempt == 0 else random.random() * min(_LONGEST_WAIT_SECONDS, 0.001 * 2.0**attempt)  # noqa: S311 - no secret


def _encoded(document: msgspec.Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
