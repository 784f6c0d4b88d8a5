"""Answers who a key belongs to, from the file as it is now."""

from __future__ import annotations

import hmac
import logging
from dataclasses import dataclass
from pathlib import Path

from accelserve.server.auth.keys_file import EVERY_MODEL, SLOTS, KeysFile, Owner, hash_of, read_keys
from accelserve.server.errors import ConfigurationError, PermissionDeniedError, UnauthenticatedError

_LOG = logging.getLogger(__name__)
_SCHEME = "bearer"
# No key is longer; hashing a header of megabytes would only warm the room.
_LONGEST_KEY = 1024


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose key it was."""

    owner: Owner

    def check_model(self, name: str) -> None:
        """PermissionDeniedError if the keys do not open this model."""
        if EVERY_MODEL not in self.owner.models and name not in self.owner.models:
            raise PermissionDeniedError(f"the key of '{self.owner.name}' does not open model {name}")

    def check_admin(self) -> None:
        """PermissionDeniedError if the keys open models only."""
        if not self.owner.admin:
            raise PermissionDeniedError(
                f"the key of '{self.owner.name}' opens models only; this needs a key made with --admin"
            )


class KeyRing:
    """Thread-safe. A file that makes no sense any more changes nothing, and is reported."""

    def __init__(self, path: Path) -> None:
        """Read the file; ConfigurationError if it makes no sense."""
        self.path = path
        self._keys = _table(read_keys(path))

    def reload(self) -> None:
        """Read the file again."""
        try:
            self._keys = _table(read_keys(self.path))
        except ConfigurationError as error:
            _LOG.error("the keys stay as they were: %s", error)
        else:
            _LOG.info("read %d keys of %s", len(self._keys), self.path)

    def caller(self, authorization: str | None) -> Caller:
        """Whose key a header holds: ``KEY``, ``bearer KEY``, ``Bearer KEY``.

        Raises:
            UnauthenticatedError: no key, or none of ours.
        """
        key = key_of(authorization or "")
        if not key:
            raise UnauthenticatedError("no key in 'authorization'; send 'Bearer KEY'")
        if len(key) > _LONGEST_KEY:
            raise UnauthenticatedError(f"the key in 'authorization' is longer than {_LONGEST_KEY} characters")
        found: Owner | None = None
        hashed = hash_of(key)
        # Every key is compared, in constant time each: how long a refusal takes says nothing about any key.
        for known, owner in self._keys:
            if hmac.compare_digest(known, hashed):
                found = owner
        if found is None:
            raise UnauthenticatedError("the key in 'authorization' is not valid")
        return Caller(found)


def key_of(authorization: str) -> str:
    """The key in a header's value; empty if there is none."""
    first, _, rest = authorization.strip().partition(" ")
    return rest.strip() if first.lower() == _SCHEME else authorization.strip()


def _table(keys: KeysFile) -> list[tuple[str, Owner]]:
    return [
        (hashed, owner)
        for owner in keys.owners
        for slot in SLOTS
        if (hashed := owner.hash_of(slot)) is not None
    ]
