"""What the core knows of a servable: next to nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable


@dataclass(frozen=True, slots=True, order=True)
class ServableId:
    """A model and one version of it."""

    name: str
    version: int

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"


class Closeable(Protocol):
    """A loaded version. Everything else about it is the business of whoever asked for it."""

    def close(self) -> None:
        """Give memory and devices back; called once, when no request holds the version any more."""


S = TypeVar("S", bound=Closeable)
S_co = TypeVar("S_co", bound=Closeable, covariant=True)


class Loader(Protocol[S_co]):
    """Makes servables from folders. Called from several threads."""

    def load(self, servable_id: ServableId, path: Path) -> S_co:
        """Load one version from its folder.

        Raises:
            Exception: whatever goes wrong; it is kept for GetModelStatus and the load is tried again.
        """


@runtime_checkable
class StopsLoading(Protocol):
    """A loader that can cut its loads short."""

    def stop(self) -> None:
        """Have the loads that are under way fail soon, and later ones at once."""
