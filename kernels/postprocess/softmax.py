"""The one softmax of every device, so that probabilities are the same bytes wherever the integers were computed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """``exp(x - max) / sum`` along the last axis, in float32.

    Args:
        logits: float32 [..., C], C 1 or more.

    Returns:
        float32 of the same shape; each row sums to 1 but for rounding.
    """
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
