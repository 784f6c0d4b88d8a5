"""``servable.json``: everything a server must know about one model version, beside its network.

Strict: unknown keys and wrong types are refused with the path of the offending field. The format number goes up when a
server of an older format would misread the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from accelserve.models.errors import ManifestError

FORMAT = 1
MANIFEST_FILE = "servable.json"
MODEL_FILE = "model.onnx"

SERVING_DEFAULT = "serving_default"
FEATURES = "features"
DETECTION = "detection"
PREDICT_METHOD = "tensorflow/serving/predict"
CLASSIFY_METHOD = "tensorflow/serving/classify"


class TensorSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One tensor of a signature.

    Attributes:
        name: the tensor's full name, ``input:0``; clients may use it in place of the alias.
        dtype: numpy's name of the element type, or ``string`` for encoded images.
        shape: sizes, -1 where any size will do; the first is the batch.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]


class Signature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A way to ask the model: aliases of its inputs and outputs.

    Attributes:
        inputs, outputs: alias -> tensor. An output's ``name`` is the network's own output, or one that the detection
            stage makes.
        method_name: TensorFlow's name of the method.
    """

    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]
    method_name: str = PREDICT_METHOD


class Calibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How activation ranges were found: the observer's method and how many images it saw."""

    method: str
    images: int


class Provenance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a version comes from.

    Attributes:
        source: file name of the trained network (without folders).
        source_sha256: of that file, hexadecimal.
        tool: program and version that converted it.
        created: ISO 8601, UTC.
        opset: of the published ONNX file.
        calibration: None if the network came quantized.
    """

    source: str
    source_sha256: str
    tool: str
    created: str
    opset: int
    calibration: Calibration | None = None


class FileRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a file of the version must be: its length in bytes and its SHA-256, hexadecimal."""

    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of ``servable.json``.

    Attributes:
        name, version: as published; a folder of another number is another version.
        signatures: name -> signature; ``serving_default`` is there.
        preprocess: description of ``accelserve.kernels.preprocess.PreprocessSpec``, or None for a network that takes
            tensors only.
        detection: description of ``accelserve.models.detection.DetectionStage``, or None.
        labels: of the classes, in order; may be empty.
        tags: free text by name.
        numerics: layer name -> algorithm, for layers that do not compute the file's own arithmetic; empty is exact.
        files: file name -> length and hash, of every file but this one.
    """

    name: str
    version: int
    signatures: dict[str, Signature]
    provenance: Provenance
    files: dict[str, FileRecord]
    preprocess: dict[str, Any] | None = None
    detection: dict[str, Any] | None = None
    labels: tuple[str, ...] = ()
    tags: dict[str, str] = {}
    numerics: dict[str, str] = {}
    format: int = FORMAT


# Made here, before threads are: msgspec fills in what it knows of a type at its first use, and a second thread that
# decodes meanwhile reads what is not there yet (msgspec 0.22 dies of it).
_DECODER = msgspec.json.Decoder(Manifest)


def tensor_name(name: str) -> str:
    """TensorFlow's full name of a tensor: ``:0`` is added where there is no output number."""
    return name if ":" in name else f"{name}:0"


def encode_manifest(manifest: Manifest) -> bytes:
    """The file's bytes: JSON, indented, in the order of the fields."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def decode_manifest(data: bytes) -> Manifest:
    """Read the file's bytes; ManifestError names the first field that breaks the schema."""
    try:
        header = msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise ManifestError("the file", f"is not JSON: {error}") from error
    found = header.get("format") if isinstance(header, Mapping) else None
    if found != FORMAT:
        raise ManifestError("format", f"must be {FORMAT}, got {found!r}; this server reads no other format")
    try:
        manifest = _DECODER.decode(data)
    except msgspec.ValidationError as error:
        raise _named(error) from error
    if SERVING_DEFAULT not in manifest.signatures:
        raise ManifestError("signatures", f"lacks '{SERVING_DEFAULT}', got {sorted(manifest.signatures)}")
    if manifest.version < 1:
        raise ManifestError("version", f"must be 1 or more, got {manifest.version}")
    return manifest


def _named(error: msgspec.ValidationError) -> ManifestError:
    reason, _, path = str(error).partition(" - at ")
    field = re.sub(r"^[`$.]+|`$", "", path)
    return ManifestError(field or "the file", reason)
