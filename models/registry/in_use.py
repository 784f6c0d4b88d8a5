"""Which servers have which versions of a model loaded: a note of each server in the model's folder, which expires.

A server renews its note well before it expires and removes it when it has unloaded the model, so that a note is there only
while a server runs, or for less than ``LIFETIME_SECONDS`` after one was killed. Clocks are compared across machines and
should agree to some seconds.
"""

from __future__ import annotations

import msgspec

from accelserve.models.registry.clock import after, passed
from accelserve.models.registry.documents import Documents, documents_at

FORMAT = 1
LIFETIME_SECONDS = 120.0
RENEWAL_SECONDS = 40.0


class InUse(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One server's note.

    Attributes:
        server: HOST:PORT of its gRPC, as a person would look for it.
        process: its id on that host.
        model: what it calls the model.
        versions: loaded, or on their way in or out.
        since: when it first noted this, ISO 8601, UTC.
        expires: when the note means nothing any more.
    """

    server: str
    process: int
    model: str
    versions: tuple[int, ...]
    since: str
    expires: str
    format: int = FORMAT


_NOTES = msgspec.json.Decoder(InUse)


def _notes(folder: str) -> Documents[InUse]:
    return Documents(documents_at(folder), _NOTES, "in-use/")


class Note:
    """One server's note in one model's folder.

    Args:
        folder: of the model, a path or a URI.
        server_id: unlike any other server's.
    """

    def __init__(self, folder: str, server_id: str) -> None:
        self._documents = _notes(folder)
        self._key = server_id

    def write(self, note: InUse) -> None:
        """Write it, or renew it, for ``LIFETIME_SECONDS``.

        Raises:
            FileNotFoundError: the folder was deleted.
            ReadOnlyError: it may not be written.
        """
        self._documents.renew(self._key, msgspec.structs.replace(note, expires=after(LIFETIME_SECONDS)))

    def remove(self) -> None:
        """Take it away, if it is there."""
        self._documents.delete(self._key)


def in_use(folder: str) -> list[InUse]:
    """The notes in a model's folder that have not expired, by server."""
    notes = [note for note in _notes(folder).all().values() if not passed(note.expires)]
    return sorted(notes, key=lambda note: (note.server, note.process))


def servers_of(folder: str, version: int) -> list[InUse]:
    """Those of the notes that name a version."""
    return [note for note in in_use(folder) if version in note.versions]
