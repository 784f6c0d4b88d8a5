"""Logits to probabilities, probabilities to a ranking."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from accelserve.kernels.native.compiled import ArrayFunction
from accelserve.kernels.postprocess.errors import TensorShapeError

F32 = npt.NDArray[np.float32]

_SOFTMAX_ROWS = ArrayFunction(
    "accelserve.kernels.postprocess.arithmetic", "softmax_rows", "f32[2]", "f64[1]", "f32[2]"
)


def softmax(logits: F32) -> F32:
    """Probabilities over the last axis.

    ``powers = exp(float64(logit) - largest)``, added from the first class to the last in float64, and each power
    divided by the sum and rounded to float32 once: the error is below 1 ulp, and the bytes are the same on every
    machine. A row with a NaN or an infinity above becomes NaN.

    Args:
        logits: float32 [..., classes], at least one class.

    Returns:
        float32 of the same shape.

    Raises:
        TensorShapeError: if there is no last axis, or it is empty.
    """
    rows = np.ascontiguousarray(logits, np.float32)
    if logits.ndim < 1 or logits.shape[-1] < 1:
        raise TensorShapeError("softmax logits", logits.shape, "at least one class in the last axis")
    out = np.empty_like(rows)
    classes = rows.shape[-1]
    _SOFTMAX_ROWS(rows.reshape(-1, classes), np.empty(classes, np.float64), out.reshape(-1, classes))
    return out


def top_k(scores: F32, k: int) -> tuple[npt.NDArray[np.int64], F32]:
    """The k highest scores of the last axis, the highest first; of equal ones the lower index first.

    Args:
        scores: float32 [..., classes]; NaNs come last.
        k: how many; all of them if there are fewer.

    Returns:
        int64 indices and float32 scores, both [..., min(k, classes)].

    Raises:
        TensorShapeError: if there is no last axis.
        ValueError: if k is negative.
    """
    if scores.ndim < 1:
        raise TensorShapeError("top-k scores", scores.shape, "classes in the last axis")
    if k < 0:
        raise ValueError(f"k: got {k}, expected a whole number of at least 0")
    order = np.argsort(-scores, axis=-1, kind="stable")[..., :k]
    return order, np.take_along_axis(scores, order, axis=-1)
