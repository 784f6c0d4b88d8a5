"""Weights are rounded one after another, and those that come later take back what the earlier ones changed.

Rounding every weight to its nearest integer makes each as little wrong as it can be, but what matters is how wrong the
layer's sums are. With the Hessian ``H`` of that error (the covariance of what the layer reads) an output channel's
squared error is ``e H e`` for weights that are off by ``e``; with ``H = L L'`` it is the squared length of ``e L``, and
column ``j`` of ``e L`` is ``e[j] L[j, j] + sum over i > j of e[i] L[i, j]``. So from the last weight to the first each
integer is chosen to make its own column least, the errors of those behind it being known.

That is GPTQ (Frantar et al. 2022, arXiv:2210.17323) without its inverse of ``H``, as the nearest plane algorithm (Babai
1986) with which Chen et al. (2025, arXiv:2507.18553) show it to agree. As there, weights of the greatest diagonal come
first, while there are many left that can make up for them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

GREATEST_CODE = 127
DAMPING = 0.1
"""Share of the diagonal's mean that is added to it: calibration saw few pictures, and directions that it saw nothing of
must not look free. From 0.03 to 0.3 it makes no difference; 0.001 costs two decibels."""
_BLOCK = 64

Reals = NDArray[np.float64]


def damped(covariance: Reals, input_variance: float) -> Reals:
    """The Hessian of the error of a layer's sums, positive definite.

    Args:
        covariance: of what the layer reads, [G, n, n].
        input_variance: of the noise that quantizing the input adds to each element, 0 or more.
    """
    size = covariance.shape[-1]
    means = np.trace(covariance, axis1=1, axis2=2) / size
    # Groups that calibration saw nothing of have no covariance at all; any positive number rounds them to nearest.
    added = np.maximum(DAMPING * means + input_variance, np.finfo(np.float32).tiny)
    return np.asarray(covariance + added[:, None, None] * np.eye(size), np.float64)


def compensated_codes(weights: Reals, scale: Reals, hessian: Reals) -> NDArray[np.int8]:
    """Integers in -127..127 that make a layer's sums least wrong; the nearest ones if the Hessian is diagonal.

    Args:
        weights: of G groups of K output channels that read the same n elements, [G, K, n].
        scale: of each output channel, positive, [G, K].
        hessian: positive definite, [G, n, n].

    Returns:
        Shaped as the weights.
    """
    order = np.argsort(np.diagonal(hessian, axis1=1, axis2=2), axis=1, kind="stable")
    rows, columns = order[:, :, None], order[:, None, :]
    ordered = np.take_along_axis(np.take_along_axis(hessian, rows, 1), columns, 2)
    factor = np.asarray(np.linalg.cholesky(ordered), np.float64)
    codes = _nearest_plane(np.take_along_axis(weights, columns, 2), scale, factor)
    return np.take_along_axis(codes, np.argsort(order, axis=1)[:, None, :], 2)


def _nearest_plane(weights: Reals, scale: Reals, factor: Reals) -> NDArray[np.int8]:
    """``factor`` is the lower triangle L. Errors of finished blocks reach the next one by a single matrix product."""
    errors = np.zeros_like(weights)
    codes = np.zeros(weights.shape, np.int8)
    for end in range(weights.shape[2], 0, -_BLOCK):
        start = max(0, end - _BLOCK)
        behind = errors[:, :, end:] @ factor[:, end:, start:end]
        for j in range(end - 1, start - 1, -1):
            within = np.matmul(errors[:, :, j + 1 : end], factor[:, j + 1 : end, j, None])[..., 0]
            target = weights[:, :, j] + (behind[:, :, j - start] + within) / factor[:, None, j, j]
            code = np.clip(np.rint(target / scale), -GREATEST_CODE, GREATEST_CODE)
            codes[:, :, j] = code
            errors[:, :, j] = weights[:, :, j] - code * scale
    return codes
