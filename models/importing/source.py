"""Any file or folder that holds a trained network, made into ONNX; the kind is told from the content and the suffix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from accelserve.models.architectures import Architecture
from accelserve.models.errors import ModelFileError
from accelserve.models.importing.tensorflow import import_tensorflow, is_saved_model
from accelserve.models.weights.fitting import WEIGHT_SUFFIXES, import_weights
from accelserve.models.weights.keras_file import has_whole_model

TENSORFLOW_SUFFIXES = (".keras", ".pb")


@dataclass(frozen=True, slots=True)
class SourceNetwork:
    """A network from outside.

    Attributes:
        model: as ONNX.
        architecture: which built-in architecture it is; None if it brought its own graph.
    """

    model: onnx.ModelProto
    architecture: Architecture | None


def load_source(
    source: Path,
    *,
    architecture: str | None = None,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    signature: str = "serving_default",
) -> SourceNetwork:
    """The network in ``source``.

    Args:
        source: ``.onnx``; PyTorch or safetensors weights of a built-in architecture; Keras weights or a whole Keras
            model; a SavedModel folder; a frozen graph.
        architecture: name, for weights that fit several; names weights, so it excludes a whole graph.
        inputs: input tensors of a TensorFlow graph.
        outputs: what it answers with, for weights and TensorFlow graphs; the usual outputs if empty.
        signature: of a SavedModel.

    Raises:
        ModelFileError: if it is missing, of no known kind, or damaged.
        WeightMismatchError, UnknownArchitectureError, MissingExtraError: as for weights and TensorFlow graphs.
        KeyError: if the architecture has no such output.
    """
    if not source.exists():
        raise ModelFileError(str(source), "there is no such file or folder")
    if source.suffix in WEIGHT_SUFFIXES and (architecture or not has_whole_model(source)):
        chosen, model = import_weights(source, architecture, outputs=tuple(outputs) or None)
        return SourceNetwork(model, chosen)
    if architecture:
        raise ModelFileError(
            str(source), f"holds a whole network, so it cannot be filled into {architecture}"
        )
    if source.suffix == ".onnx":
        return SourceNetwork(_load_onnx(source), None)
    if is_saved_model(source) or source.suffix in (*TENSORFLOW_SUFFIXES, *WEIGHT_SUFFIXES):
        model = import_tensorflow(source, inputs=inputs, outputs=outputs, signature=signature)
        return SourceNetwork(model, None)
    raise ModelFileError(
        str(source),
        f"of no known kind; expected .onnx, {', '.join(WEIGHT_SUFFIXES)}, .keras, .pb or a SavedModel",
    )


def _load_onnx(source: Path) -> onnx.ModelProto:
    try:
        return onnx.load(source, load_external_data=False)
    except (OSError, DecodeError) as error:
        raise ModelFileError(str(source), f"not an ONNX file, or a truncated one: {error}") from error
