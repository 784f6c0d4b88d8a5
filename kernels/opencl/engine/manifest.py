"""What a bitstream is: the file that lies beside it and is checked before the device sees a byte of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from accelserve.kernels.errors import PlanError
from accelserve.kernels.opencl.engine.configuration import EngineConfiguration
from accelserve.kernels.opencl.engine.descriptor import interface_version
from accelserve.kernels.opencl.engine.source import EnginePath
from accelserve.kernels.opencl.errors import BitstreamError

MANIFEST_NAME = "manifest.json"
FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The facts about a bitstream.

    Attributes:
        file: its name, in the manifest's folder.
        sha256: of the file, hexadecimal.
        part: what it was built for: a board package's name, or the emulator's platform.
        emulated: whether it is the emulator's binary, which no board takes and the other way round.
        interface: ``descriptor.interface_version()`` of the source it was built from.
        path: how the engine is laid out.
        configuration: its constants.
        built_with: the compiler's version.
    """

    file: str
    sha256: str
    part: str
    emulated: bool
    interface: str
    path: EnginePath
    configuration: EngineConfiguration
    built_with: str


@dataclass(frozen=True, slots=True)
class Bitstream:
    """A verified bitstream: its manifest and its bytes."""

    folder: Path
    manifest: Manifest
    binary: bytes


def write_bitstream(folder: Path, binary: bytes, manifest: Manifest) -> None:
    """Put a bitstream and its manifest into a folder, the manifest last: without one the folder is no bitstream."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / manifest.file).write_bytes(binary)
    write_manifest(folder, manifest)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest beside a file that is there already."""
    document = {"format": FORMAT, **asdict(manifest), "path": manifest.path.value}
    (folder / MANIFEST_NAME).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def digest(binary: bytes) -> str:
    """The hash a manifest carries."""
    return hashlib.sha256(binary).hexdigest()


def read_bitstream(path: Path) -> Bitstream:
    """Read and verify a bitstream.

    Args:
        path: its folder, or the file in it.

    Raises:
        BitstreamError: no manifest, a file that is not the one the manifest describes, or another interface.
    """
    folder = path if path.is_dir() else path.parent
    manifest = _read_manifest(folder)
    file = folder / manifest.file
    if not path.is_dir() and path.name != manifest.file:
        raise BitstreamError(folder, f"the manifest describes '{manifest.file}', not '{path.name}'")
    if not file.is_file():
        raise BitstreamError(folder, f"'{manifest.file}' is missing")
    binary = file.read_bytes()
    if digest(binary) != manifest.sha256:
        raise BitstreamError(
            folder,
            f"'{manifest.file}' has sha256 {digest(binary)[:12]}..., the manifest says {manifest.sha256[:12]}...: "
            "it is damaged or not the one that was built",
        )
    if manifest.interface != interface_version():
        raise BitstreamError(
            folder,
            f"it speaks kernel interface {manifest.interface}, this version of accelserve speaks {interface_version()}",
        )
    return Bitstream(folder, manifest, binary)


def _read_manifest(folder: Path) -> Manifest:
    try:
        document = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BitstreamError(folder, f"there is no {MANIFEST_NAME}") from None
    except (ValueError, OSError) as error:
        raise BitstreamError(folder, f"{MANIFEST_NAME} cannot be read: {error}") from error
    if not isinstance(document, dict) or document.pop("format", None) != FORMAT:
        raise BitstreamError(folder, f"{MANIFEST_NAME} is not of format {FORMAT}")
    try:
        document["configuration"] = EngineConfiguration(**document["configuration"])
        document["path"] = EnginePath(document["path"])
        return Manifest(**document)
    except (KeyError, TypeError, ValueError, PlanError) as error:
        raise BitstreamError(folder, f"{MANIFEST_NAME} is not one of ours: {error}") from error
