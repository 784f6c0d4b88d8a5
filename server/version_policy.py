"""Which of the versions that a model's folder holds are wanted: TensorFlow Serving's three policies."""

from __future__ import annotations

from collections.abc import Callable, Collection
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Protocol

from accelserve.server.errors import ConfigurationError

Unusable = Callable[[str], AbstractSet[int]]
"""Name of a model -> versions of it that failed to load, and did not load since."""


class VersionPolicy(Protocol):
    """Chooses versions; pure."""

    def wanted(self, present: Collection[int]) -> frozenset[int]:
        """The subset of ``present`` that shall be served."""


@dataclass(frozen=True, slots=True)
class Latest:
    """The ``count`` highest versions."""

    count: int = 1

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigurationError(f"latest.num_versions must be at least 1, got {self.count}")

    def wanted(self, present: Collection[int]) -> frozenset[int]:
        """The highest versions."""
        return frozenset(sorted(present)[-self.count :])


@dataclass(frozen=True, slots=True)
class Everything:
    """All versions."""

    def wanted(self, present: Collection[int]) -> frozenset[int]:
        """What is present."""
        return frozenset(present)


@dataclass(frozen=True, slots=True)
class Specific:
    """The listed versions, as far as they are present."""

    versions: frozenset[int]

    def __post_init__(self) -> None:
        if not self.versions:
            raise ConfigurationError("model_version_policy 'specific' lists no versions; add 'versions: N'")

    def wanted(self, present: Collection[int]) -> frozenset[int]:
        """The listed ones among those present."""
        return self.versions & frozenset(present)


@dataclass(frozen=True, slots=True)
class _Labelled:
    """What another policy wants, and the versions that have labels."""

    policy: VersionPolicy
    versions: frozenset[int]

    def wanted(self, present: Collection[int]) -> frozenset[int]:
        """Both, as far as they are present."""
        return self.policy.wanted(present) | (self.versions & frozenset(present))


def with_labelled(policy: VersionPolicy, versions: frozenset[int]) -> VersionPolicy:
    """A policy that wants versions which have labels in the repository as well; a list of versions stays as it is."""
    return policy if isinstance(policy, Specific) or not versions else _Labelled(policy, versions)


def with_stand_ins(
    policy: VersionPolicy, present: Collection[int], unusable: AbstractSet[int]
) -> frozenset[int]:
    """What a policy wants; where nothing of that can be used, also what it would want if the unusable were not there.

    So a server that starts beside a half-copied version serves the newest whole one, until the other is whole.
    """
    wanted = policy.wanted(present)
    return wanted if wanted - unusable else wanted | policy.wanted(set(present) - unusable)
