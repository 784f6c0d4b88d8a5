"""Which output of a signature ranks classes, and their names. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from accelserve.server.dataplane.servable import Array, Signature, TensorSpec

_SCORES = "scores"  # TensorFlow's alias in signatures for Classify


def scores_alias(signature: Signature) -> str | None:
    """The output with one float32 score a class: the one called so, or the only one of shape [N, C]; None if none is."""
    candidates = [alias for alias, spec in signature.outputs.items() if _ranks_classes(spec)]
    if _SCORES in candidates:
        return _SCORES
    return candidates[0] if len(candidates) == 1 else None


def class_scores(outputs: Mapping[str, Array], alias: str) -> Array:
    """Float32 [N, C] of an output, whatever unit dimensions it has."""
    scores = np.asarray(outputs[alias], np.float32)
    return scores.reshape(scores.shape[0], -1)


def label_of(labels: Sequence[str], index: int) -> str:
    """Name of a class, or an empty string."""
    return labels[index] if index < len(labels) else ""


def _ranks_classes(spec: TensorSpec) -> bool:
    classes = [size for size in spec.shape[1:] if size != 1]
    return spec.dtype == "float32" and len(classes) == 1 and classes[0] > 1
