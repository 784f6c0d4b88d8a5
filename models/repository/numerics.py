"""Which arithmetic each layer of a published version computes: ``numerics`` of the manifest, and ``winograd.json``.

The manifest names the algorithm of every layer that does not compute the ONNX file's own arithmetic. What such a layer
needs besides the file is how the taps of its transformed input are quantized: 16 multipliers and 16 zero points, in
``winograd.json`` beside the model, recorded with its hash like every file of the version. The ONNX file stays a standard
QDQ file, and its weights are transformed when it is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from accelserve.kernels.errors import GraphError
from accelserve.kernels.ir import WinogradTaps
from accelserve.models.errors import CorruptVersionError
from accelserve.models.repository import MANIFEST_FILE, Manifest, read_manifest

WINOGRAD_FILE = "winograd.json"
WINOGRAD = "winograd-f2x2-3x3-int8"
"""Name of the algorithm: ``accelserve.kernels.ir.QWinogradConv2d``."""
FORMAT = 1


class WinogradLayer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One layer of the file.

    Attributes:
        multipliers, zero_points: as ``WinogradTaps`` has them.
        sqnr_db: of the layer's sums on calibration pictures, signal being what the direct form gives.
    """

    multipliers: tuple[int, ...]
    zero_points: tuple[int, ...]
    sqnr_db: float


class WinogradFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of ``winograd.json``.

    Attributes:
        layers: node name -> numbers.
        budget: most that the cosine below was allowed to lack to 1.
        cosine: between the features of exact and of these numerics, mean over pictures.
        pictures: how many it was measured on.
    """

    layers: dict[str, WinogradLayer]
    budget: float
    cosine: float
    pictures: int
    format: int = FORMAT


_FILE = msgspec.json.Decoder(WinogradFile)


def encode(file: WinogradFile) -> bytes:
    """The file's bytes: JSON, indented."""
    return msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"


def numerics_of(file: WinogradFile | None) -> dict[str, str]:
    """What the manifest says of the layers of a file; nothing without one."""
    return {} if file is None else dict.fromkeys(file.layers, WINOGRAD)


def read_winograd(directory: Path, manifest: Manifest) -> dict[str, WinogradTaps]:
    """Layers of a version that compute in the Winograd domain, as ``lower`` takes them; empty if all are exact.

    Raises:
        CorruptVersionError: manifest and file disagree, or an algorithm is unknown to this program.
    """
    if not manifest.numerics:
        return {}
    unknown = sorted(set(manifest.numerics.values()) - {WINOGRAD})
    if unknown:
        raise CorruptVersionError(
            directory,
            f"its layers want {', '.join(unknown)}, but this version of accelserve knows {WINOGRAD}",
        )
    if WINOGRAD_FILE not in manifest.files:
        raise CorruptVersionError(directory, f"its manifest names {WINOGRAD} but records no {WINOGRAD_FILE}")
    file = decode(directory, (directory / WINOGRAD_FILE).read_bytes())
    if file.layers.keys() != manifest.numerics.keys():
        differing = sorted(file.layers.keys() ^ manifest.numerics.keys())
        raise CorruptVersionError(directory, f"{WINOGRAD_FILE} and the manifest disagree on {differing}")
    return taps_of(directory, file.layers)


def winograd_beside(model_file: Path) -> dict[str, WinogradTaps]:
    """As ``read_winograd``, of the version that an ONNX file is part of; empty for a file that is part of none."""
    directory = model_file.parent
    return read_winograd(directory, read_manifest(directory)) if (directory / MANIFEST_FILE).exists() else {}


def decode(directory: Path, data: bytes) -> WinogradFile:
    """Read the file's bytes; CorruptVersionError says what breaks the schema."""
    try:
        file = _FILE.decode(data)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise CorruptVersionError(directory, f"{WINOGRAD_FILE}: {error}") from error
    if file.format != FORMAT:
        raise CorruptVersionError(directory, f"{WINOGRAD_FILE} has format {file.format}, expected {FORMAT}")
    return file


def taps_of(directory: Path, layers: Mapping[str, WinogradLayer]) -> dict[str, WinogradTaps]:
    """The kernels' own form; CorruptVersionError if a number is out of its range."""
    try:
        return {
            name: WinogradTaps(multipliers=layer.multipliers, zero_points=layer.zero_points)
            for name, layer in layers.items()
        }
    except GraphError as error:
        raise CorruptVersionError(directory, f"{WINOGRAD_FILE}: {error}") from error


__all__ = [
    "WINOGRAD",
    "WINOGRAD_FILE",
    "WinogradFile",
    "WinogradLayer",
    "decode",
    "encode",
    "numerics_of",
    "read_winograd",
    "winograd_beside",
]
