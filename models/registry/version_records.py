"""What people say of a version: description, tags, properties. And who is adding or deleting it at the moment."""

from __future__ import annotations

from typing import Literal

import msgspec

from accelserve.models.registry.documents import Documents, documents_at

FORMAT = 1
VersionState = Literal["adding", "ready", "deleting"]


class VersionRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Kept in the model's folder under ``versions/NUMBER``.

    Attributes:
        content: hash of the manifest's list of files: a record of other files under the same number says nothing. Empty
            while they are added.
        state: ``ready``; or on its way in or out, which only a writer that was killed leaves behind.
        description: for people.
        tags: text by name, which may change.
        properties: text by name, which does not change once given.
        parent: NAME:VERSION of the float network that it was converted from, if that was registered.
        registered: when, ISO 8601, UTC.
        writer: unlike any other's, while it is added.
        expires: when another writer may take the number over, while it is added.
    """

    content: str = ""
    state: VersionState = "ready"
    description: str = ""
    tags: dict[str, str] = {}
    properties: dict[str, str] = {}
    parent: str = ""
    registered: str = ""
    writer: str = ""
    expires: str = ""
    format: int = FORMAT


_RECORDS = msgspec.json.Decoder(VersionRecord)


def records_in(folder: str) -> Documents[VersionRecord]:
    """The records in a model's folder, a path or a URI, by version."""
    return Documents(documents_at(folder), _RECORDS, "versions/")


def is_going(folder: str, version: int) -> bool:
    """Whether somebody is deleting a version."""
    found = records_in(folder).get(str(version))
    return found is not None and found.document.state == "deleting"
