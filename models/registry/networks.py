"""Float networks as the registry keeps them: the files that somebody trained, with a manifest, ``network.json``.

They are in ``REPOSITORY/.accelserve/networks/NAME/VERSION``, where no server looks for versions to load. ``accelserve convert``
makes servables of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from accelserve.models.errors import ManifestError, RegistryError
from accelserve.models.registry.documents import FOLDER
from accelserve.models.repository import FileRecord

NETWORK_FILE = "network.json"
FOLDER_OF_NETWORKS = f"{FOLDER}/networks"
FORMAT = 1

SUFFIXES = (".onnx", ".pth", ".pt", ".bin", ".safetensors", ".h5", ".keras", ".pb")
"""Of files that ``accelserve convert`` reads. A folder with a ``saved_model.pb`` is a SavedModel."""


class NetworkManifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of ``network.json``.

    Attributes:
        name, version: as registered.
        source: file or folder name that was registered; for a folder, the files are below it.
        files: path, ``source`` first and with slashes -> length and hash.
        sha256: of the one file, or of the list of paths and hashes of a folder.
        created: ISO 8601, UTC.
    """

    name: str
    version: int
    source: str
    files: dict[str, FileRecord]
    sha256: str
    created: str
    format: int = FORMAT


_NETWORKS = msgspec.json.Decoder(NetworkManifest)


def decode_network(data: bytes) -> NetworkManifest:
    """Read ``network.json``; ManifestError if it breaks the schema."""
    try:
        return _NETWORKS.decode(data)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ManifestError(NETWORK_FILE, str(error)) from error


def encode_network(manifest: NetworkManifest) -> bytes:
    """The file's bytes: JSON, indented."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def files_of(path: Path) -> dict[str, Path]:
    """The files of a float network by their names in the registry: one, or those of a SavedModel.

    Raises:
        RegistryError: there is no such file or folder, or no network of a kind that can be converted.
    """
    if path.is_dir():
        if not (path / "saved_model.pb").is_file():
            raise RegistryError(
                f"{path} holds neither a servable (servable.json) nor a SavedModel (saved_model.pb)"
            )
        return {each.relative_to(path.parent).as_posix(): each for each in _below(path)}
    if not path.is_file():
        raise RegistryError(f"{path}: there is no such file or folder")
    if path.suffix not in SUFFIXES:
        raise RegistryError(
            f"{path} is of no known kind; expected {', '.join(SUFFIXES)}, a SavedModel or a servable"
        )
    return {path.name: path}


def hash_of(records: dict[str, FileRecord]) -> str:
    """Of one file its own; of several, of their paths and hashes."""
    if len(records) == 1:
        return next(iter(records.values())).sha256
    listing = "".join(f"{record.sha256}  {name}\n" for name, record in sorted(records.items()))
    return hashlib.sha256(listing.encode()).hexdigest()


def record_of(path: Path) -> FileRecord:
    """Length and hash of a file."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return FileRecord(bytes=path.stat().st_size, sha256=digest)


def _below(folder: Path) -> Iterator[Path]:
    return (each for each in sorted(folder.rglob("*")) if each.is_file())
