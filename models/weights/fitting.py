"""Fits weights to a network: names, number of classes, shapes, values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import ModelProto

from accelserve.models.architectures import Architecture, Blueprint, architecture, architectures
from accelserve.models.architectures.architecture import KERAS_SUFFIXES
from accelserve.models.errors import ModelFileError, WeightMismatchError
from accelserve.models.weights.keras_file import read_keras_file, to_state_dict
from accelserve.models.weights.safetensors_file import read_safetensors_file
from accelserve.models.weights.state_dict import Tensors, find_state_dict
from accelserve.models.weights.torch_file import read_torch_file

TORCH_SUFFIXES = (".pth", ".pt", ".bin", ".ckpt", ".tar")
SAFETENSORS_SUFFIX = ".safetensors"
WEIGHT_SUFFIXES = (*TORCH_SUFFIXES, *KERAS_SUFFIXES, SAFETENSORS_SUFFIX)


def import_weights(
    path: Path,
    name: str | None = None,
    *,
    outputs: tuple[str, ...] | None = None,
    likely: str | None = None,
) -> tuple[Architecture, ModelProto]:
    """The architecture that a file of weights belongs to, and it as a float32 ONNX model with those weights.

    Args:
        path: ``.pth``, ``.safetensors`` or Keras ``.h5``.
        name: the architecture; None finds the one that the weights fit.
        outputs: what the model answers with; the architecture's usual outputs if None.
        likely: the architecture to take if the weights fit several, this one among them.

    Raises:
        ModelFileError: if the file cannot be read, has no weights or weights that are not finite, or if several
            architectures fit it and none is named.
        WeightMismatchError: if weights are missing, unexpected or misshapen.
        UnknownArchitectureError: if no architecture has the name.
        MissingExtraError: if reading needs a package that is not installed.
        UnknownOutputError: if the network has no such output.
    """
    if path.suffix in KERAS_SUFFIXES:
        chosen, weights = _fit_keras(path, name)
    else:
        tensors = _read(path)
        chosen = architecture(name) if name else recognise(str(path), tensors, likely)
        weights = _canonical(chosen, tensors)
    blueprint = _blueprint(chosen, weights)
    blueprint.check(weights)
    _require_finite(path, weights)
    selected = blueprint.select(outputs or chosen.outputs)
    return chosen, selected.to_onnx({key: weights[key] for key in selected.parameters})


def recognise(source: str, tensors: Tensors, likely: str | None = None) -> Architecture:
    """The architecture that ``tensors`` fit.

    Networks with the same weights (the two SSDs) are told apart by their number of classes, where that tells.

    Args:
        source: the file, for messages.
        tensors: ``state_dict`` name -> array.
        likely: the architecture to take if several fit, this one among them.

    Raises:
        WeightMismatchError: if none fits, with what separates them from the nearest one.
        ModelFileError: if several fit.
    """
    fitting = [a for a in architectures().values() if _mismatch(a, _canonical(a, tensors)) is None]
    usual = [a for a in fitting if a.count_classes(_canonical(a, tensors)) == a.classes]
    for candidates in (fitting, [a for a in fitting if a.name == likely], usual):
        if len(candidates) == 1:
            return candidates[0]
    if fitting:
        names = ", ".join(a.name for a in fitting)
        raise ModelFileError(source, f"its weights fit {names}; say which with --architecture")
    nearest = max(architectures().values(), key=lambda a: _names_shared(a, tensors))
    mismatch = _mismatch(nearest, _canonical(nearest, tensors))
    raise mismatch or ModelFileError(source, "its weights fit no architecture")


def _read(path: Path) -> Tensors:
    if path.suffix == SAFETENSORS_SUFFIX:
        return find_state_dict(str(path), read_safetensors_file(path))
    return find_state_dict(str(path), read_torch_file(path))


def _fit_keras(path: Path, name: str | None) -> tuple[Architecture, Tensors]:
    layers = read_keras_file(path)
    known = [a for a in architectures().values() if a.keras_layers]
    candidates = [architecture(name)] if name else known
    if not candidates[0].keras_layers:
        raise ModelFileError(
            str(path), f"Keras builds {name} differently; import the whole model, not its weights"
        )
    names = {layer for a in known for layer in a.keras_layers}
    for candidate in candidates:
        weights = to_state_dict(layers, candidate.keras_layers)
        # what hangs on a trunk is left out, but not a layer that another network of the family has
        weights |= {k: v[0] for k, v in layers.items() if k in names and k not in candidate.keras_layers}
        if name or _mismatch(candidate, weights) is None:
            return candidate, weights
    listed = ", ".join(a.name for a in known)
    raise ModelFileError(
        str(path), f"its layers are not those of {listed}; import the whole model, not its weights"
    )


def _canonical(chosen: Architecture, tensors: Tensors) -> Tensors:
    return {chosen.canonical_name(key): array for key, array in tensors.items()}


def _blueprint(chosen: Architecture, weights: Tensors) -> Blueprint:
    return chosen.blueprint(classes=chosen.count_classes(weights) or None)


def _mismatch(chosen: Architecture, weights: Tensors) -> WeightMismatchError | None:
    try:
        _blueprint(chosen, weights).check(weights)
    except WeightMismatchError as error:
        return error
    return None


def _names_shared(chosen: Architecture, tensors: Tensors) -> int:
    parameters = set(chosen.blueprint().parameters)
    names = set(_canonical(chosen, tensors))
    return len(parameters & names) - len(parameters ^ names)


def _require_finite(path: Path, weights: Tensors) -> None:
    for name, array in weights.items():
        if array.dtype.kind != "f":
            raise ModelFileError(str(path), f"weight '{name}' is {array.dtype}, expected floating point")
        if not np.isfinite(array).all():
            raise ModelFileError(str(path), f"weight '{name}' has values that are not finite")
