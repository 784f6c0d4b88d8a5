"""Object stores: what is asked of one, and who answers for a scheme."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, BinaryIO, Protocol

from accelserve.models.errors import RepositoryError
from accelserve.models.repository.location import EXTRAS


class Store(Protocol):
    """What reads: the part of fsspec's AbstractFileSystem that is used here. Paths have slashes and no scheme."""

    def ls(self, path: str, detail: bool = ...) -> list[Mapping[str, Any]]:
        """A folder's children, each with its path as ``name`` and its ``type``; FileNotFoundError if there is none."""

    def find(self, path: str) -> list[str]:
        """Paths of all files below a folder, however deep; empty if there is none."""

    def cat_file(self, path: str) -> bytes:
        """A file's content; FileNotFoundError if there is none."""

    def exists(self, path: str) -> bool:
        """Whether there is such a file or folder."""

    def open(self, path: str, mode: str = ...) -> AbstractContextManager[BinaryIO]:
        """A stream of a file's content."""

    def invalidate_cache(self) -> None:
        """Forget what was listed before."""


def store_of(uri: str) -> tuple[Store, str]:
    """The store of a URI, without a cache of listings, and the path in it.

    Raises:
        RepositoryError: the scheme is unknown, or its package is not installed.
    """
    import fsspec

    scheme = uri.partition("://")[0]
    try:
        store: Store
        store, path = fsspec.core.url_to_fs(uri.rstrip("/"), use_listings_cache=False)
    except ImportError as error:
        extra = EXTRAS.get(scheme.lower())
        advice = f"pip install 'accelserve[{extra}]'" if extra else str(error)
        raise RepositoryError(f"{uri} needs a package that is not installed; {advice}") from error
    except ValueError as error:
        raise RepositoryError(f"{uri} has a scheme that is not known: {error}") from error
    store.invalidate_cache()
    return store, str(path)
