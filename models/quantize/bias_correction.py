"""Rounded weights shift what a layer gives by a constant; its bias takes the shift back.

An output is ``sum w * x + b``. With rounded weights it is off by ``sum (rounded - w) * x``, whose mean over pictures is
``sum (rounded - w) * mean(x)``: nothing cancels where activations have means, as all do after a ReLU (Nagel et al.,
"Data-free quantization", ICCV 2019, section 3.4; here with means that calibration has seen).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accelserve.models.quantize.weights import QuantizedWeights, row_blocks

Vector = NDArray[np.float64]


def corrected_bias(
    weights: NDArray[np.float32],
    integers: QuantizedWeights,
    bias: NDArray[np.float32],
    input_means: Vector,
    groups: int,
) -> NDArray[np.float32]:
    """The bias that makes the mean of every output channel what it was before rounding.

    The mean of a channel is taken to be the same under every tap of the window; padding is neglected.

    Args:
        weights: [K, ..., C / groups].
        integers: the same, rounded.
        bias: [K].
        input_means: of every input channel, [C].
        groups: of the convolution, 1 for dense.
    """
    outputs, per_group = weights.shape[0], weights.shape[-1]
    seen = np.repeat(input_means.reshape(groups, per_group), outputs // groups, axis=0)
    codes, reals = integers.weights.reshape(outputs, -1), weights.reshape(outputs, -1)
    scale = integers.scale.astype(np.float64)[:, None]
    shift = np.empty(outputs)
    for block in row_blocks(*reals.shape):
        error = (codes[block] * scale[block] - reals[block]).reshape(
            -1, reals.shape[1] // per_group, per_group
        )
        of_channels = error.sum(axis=1) if error.shape[1] > 1 else error[:, 0]
        shift[block] = np.einsum("kc,kc->k", of_channels, seen[block])
    return np.asarray(bias - shift, np.float32)
