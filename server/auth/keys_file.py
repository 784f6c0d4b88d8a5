"""The file of keys: hashes, owners, scopes.

    {"format": 1, "owners": [{"name": "camera-7", "models": ["resnet50"], "admin": false,
                              "primary": "<SHA-256>", "secondary": "<SHA-256>"}]}

An owner has two keys, so that one can be replaced while the other is in use. The hash is a plain SHA-256: a key is 256
random bits, which no dictionary holds and no slower hash would protect better, and a slow hash on every request would
be a way to stall the server.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from accelserve.server.errors import ConfigurationError

FORMAT = 1
EVERY_MODEL = "*"
# Of a key that somebody brings along: the Azure service's keys have 32 characters.
SHORTEST_KEY = 32
_KEY_BYTES = 32

Slot = Literal["primary", "secondary"]
SLOTS: tuple[Slot, ...] = ("primary", "secondary")


class Owner(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who holds keys.

    Attributes:
        name: for people and the log.
        models: names that the keys open; ``*`` is every model.
        admin: may reload the configuration, and read what is about the whole server.
        primary, secondary: SHA-256 of each key, hexadecimal; None for none.
    """

    name: str
    models: tuple[str, ...] = (EVERY_MODEL,)
    admin: bool = False
    primary: str | None = None
    secondary: str | None = None

    def hash_of(self, slot: Slot) -> str | None:
        """The hash in a slot."""
        return self.primary if slot == "primary" else self.secondary


class KeysFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    format: int = FORMAT
    owners: tuple[Owner, ...] = ()

    def owner(self, name: str) -> Owner | None:
        """The owner of that name."""
        return next((owner for owner in self.owners if owner.name == name), None)

    def with_owner(self, changed: Owner) -> KeysFile:
        """The file with an owner replaced, or added at the end."""
        if self.owner(changed.name) is None:
            return msgspec.structs.replace(self, owners=(*self.owners, changed))
        owners = tuple(changed if owner.name == changed.name else owner for owner in self.owners)
        return msgspec.structs.replace(self, owners=owners)

    def without(self, name: str) -> KeysFile:
        """The file without an owner."""
        return msgspec.structs.replace(
            self, owners=tuple(owner for owner in self.owners if owner.name != name)
        )


_FILE = msgspec.json.Decoder(KeysFile)


def hash_of(key: str) -> str:
    """SHA-256 of a key, hexadecimal."""
    return hashlib.sha256(key.encode()).hexdigest()


def new_key() -> str:
    """256 random bits, in characters that need no quoting anywhere."""
    return secrets.token_urlsafe(_KEY_BYTES)


def with_key(owner: Owner, slot: Slot, key: str) -> Owner:
    """The owner with another key in a slot; ConfigurationError if it is too short to be secret."""
    if len(key) < SHORTEST_KEY:
        raise ConfigurationError(f"a key needs at least {SHORTEST_KEY} characters, got {len(key)}")
    return msgspec.structs.replace(owner, **{slot: hash_of(key)})


def decode_keys(data: bytes, where: Path) -> KeysFile:
    """The file of its bytes; ConfigurationError names the field that is wrong."""
    try:
        keys = _FILE.decode(data)
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"{where} is no keys file: {error}") from error
    if keys.format != FORMAT:
        raise ConfigurationError(f"{where} has format {keys.format}; this server reads format {FORMAT}")
    names = [owner.name for owner in keys.owners]
    if len(names) != len(set(names)):
        raise ConfigurationError(f"{where} lists an owner twice")
    return keys


def read_keys(path: Path) -> KeysFile:
    """The file; ConfigurationError if it cannot be read or makes no sense."""
    try:
        return decode_keys(path.read_bytes(), path)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error


def change_keys(path: Path, change: Callable[[KeysFile], KeysFile]) -> None:
    """Apply ``change`` to the file, which need not exist yet: one writer at a time, and never half a file.

    Raises:
        ConfigurationError: the file makes no sense.
        OSError: it cannot be written.
    """
    with _locked(path):
        before = read_keys(path) if path.exists() else KeysFile()
        text = msgspec.json.format(msgspec.json.encode(change(before)), indent=2)
        _replace(path, text + b"\n")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    # The folder is locked, not the file: the file is replaced, and a new one would have no lock.
    descriptor = os.open(path.absolute().parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(path: Path, data: bytes) -> None:
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    descriptor, written = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.absolute().parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(written).chmod(mode)
        Path(written).replace(path)
    except BaseException:
        Path(written).unlink(missing_ok=True)
        raise
