"""Files and folders of other kinds that hold a trained network, made into ONNX; content and suffix tell the kind."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from accelserve.models.architectures import Architecture, random_weights
from accelserve.models.architectures import architecture as architecture_named
from accelserve.models.architectures.blueprint import Weights
from accelserve.models.errors import ModelFileError
from accelserve.models.importing.onnx_importer import ImportedModel, ImportOptions, import_onnx
from accelserve.models.importing.tensorflow import import_tensorflow, is_saved_model
from accelserve.models.weights.fitting import WEIGHT_SUFFIXES, import_weights
from accelserve.models.weights.keras_file import has_whole_model
from accelserve.models.weights.preparation import (
    Preparation,
    preparation_of,
    timm_config,
    usual_preparation,
)
from accelserve.models.weights.published import identify

ARCHITECTURE_KEY = "accelserve.architecture"
"""Metadata of the ONNX file: the architecture's name."""

PREPROCESS_KEY = "accelserve.preprocess"
"""Metadata of the ONNX file: the PreprocessSpec of its pictures, JSON."""

PREPARATION_KEY = "accelserve.preparation"
"""Metadata of the ONNX file: the same in words, and where it is known from."""

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

    def save(self, path: Path) -> None:
        """Write the ONNX file; it appears under its name only when it is whole."""
        part = path.with_name(f".{path.name}.part")
        try:
            onnx.save(self.model, part, format="protobuf")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


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
        source: PyTorch or safetensors weights of a built-in architecture; Keras weights or a whole Keras
            model; a SavedModel folder; a frozen graph.
        architecture: name, for weights that fit several; names weights, so it excludes a whole graph.
        inputs: input tensors of a TensorFlow graph.
        outputs: what it answers with, for weights and TensorFlow graphs; the usual outputs if empty.
        signature: of a SavedModel.

    Raises:
        ModelFileError: if it is missing, of no known kind, damaged, or ONNX already.
        WeightMismatchError, UnknownArchitectureError, MissingExtraError: as for weights and TensorFlow graphs.
        UnknownOutputError: if the architecture has no such output.
    """
    if not source.exists():
        raise ModelFileError(str(source), "there is no such file or folder")
    if source.suffix in WEIGHT_SUFFIXES and (architecture or not has_whole_model(source)):
        return _load_weights(source, architecture, outputs)
    if architecture:
        raise ModelFileError(
            str(source), f"holds a whole network, so it cannot be filled into {architecture}"
        )
    if source.suffix == ".onnx":
        raise ModelFileError(str(source), "is ONNX already; convert it as it is")
    if is_saved_model(source) or source.suffix in (*TENSORFLOW_SUFFIXES, *WEIGHT_SUFFIXES):
        model = import_tensorflow(source, inputs=inputs, outputs=outputs, signature=signature)
        return SourceNetwork(model, None)
    raise ModelFileError(
        str(source),
        f"of no known kind; expected {', '.join(WEIGHT_SUFFIXES)}, .keras, .pb or a SavedModel; to convert, .onnx too",
    )


def _load_weights(source: Path, architecture: str | None, outputs: Sequence[str]) -> SourceNetwork:
    identified = identify(source)
    likely = identified.architecture.name if identified else timm_config(source).get("architecture")
    chosen, model = import_weights(source, architecture, outputs=tuple(outputs) or None, likely=likely)
    return _described(model, chosen, preparation_of(source, chosen, identified))


def import_source(
    source: Path,
    *,
    architecture: str | None = None,
    outputs: Sequence[str] = (),
    options: ImportOptions | None = None,
) -> ImportedModel:
    """The network in an ONNX file, or in anything that ``load_source`` reads.

    Args:
        source: the file or folder.
        architecture: name, for weights that fit several.
        outputs: what weights and TensorFlow graphs answer with; the usual outputs if empty.
        options: shapes that the file leaves open.

    Raises:
        ModelFileError: the file cannot be read as a network; one sentence says why.
        UnsupportedNodesError: operators, or forms of them, that no kernel implements; every such node is named.
        WeightMismatchError, UnknownArchitectureError, UnknownOutputError, MissingExtraError: as of ``load_source``.
    """
    if source.suffix == ".onnx" and not architecture:
        return import_onnx(source, options)
    network = load_source(source, architecture=architecture, outputs=outputs)
    return import_onnx(network.model.SerializeToString(), options)


def random_network(name: str, seed: int, *, outputs: Sequence[str] = ()) -> SourceNetwork:
    """A built-in architecture with seeded random weights, for benchmarks.

    Raises:
        UnknownArchitectureError: if no architecture has the name.
        UnknownOutputError: if it has no such output.
    """
    chosen = architecture_named(name)
    weights = random_weights(chosen.blueprint(), seed, pixel_scale=chosen.pixel_scale)
    return filled_network(chosen, weights, outputs=outputs)


def filled_network(chosen: Architecture, weights: Weights, *, outputs: Sequence[str] = ()) -> SourceNetwork:
    """A built-in architecture with these weights, whose pictures are prepared in the usual way for it.

    Args:
        chosen: the architecture.
        weights: ``state_dict`` name -> array, for every parameter that the outputs need.
        outputs: what it answers with; the usual outputs if empty.

    Raises:
        UnknownOutputError: if it has no such output.
        KeyError, WeightMismatchError: if a weight is missing, or of another shape.
    """
    selected = chosen.blueprint().select(tuple(outputs) or chosen.outputs)
    model = selected.to_onnx({key: weights[key] for key in selected.parameters})
    return _described(model, chosen, usual_preparation(chosen))


def _described(model: onnx.ModelProto, chosen: Architecture, preparation: Preparation) -> SourceNetwork:
    facts = {
        ARCHITECTURE_KEY: chosen.name,
        PREPROCESS_KEY: json.dumps(preparation.spec.to_json()),
        PREPARATION_KEY: str(preparation),
    }
    onnx.helper.set_model_props(model, facts)
    return SourceNetwork(model, chosen)
