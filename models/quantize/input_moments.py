"""What a layer multiplies its weights with: mean and covariance over places of pictures, drawn at random."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.ir import Conv2d, Dense, TensorType
from accelserve.kernels.reference.operators import windows

PLACES = 128
"""Of each picture. On EfficientNet-Lite0 64 are a third of a decibel worse, 256 no better."""
MOST_WEIGHTS = 2304
"""Of an output channel (256 channels under a 3x3 window): sums and rounding cost the square of it. With 4608 VGG-16 takes
three times as long to convert and is no better."""

Floats = NDArray[np.float32]


def has_moments(weights: TensorType) -> bool:
    """Whether a layer with weights [K, ...] is small enough for a covariance."""
    return weights.elements // weights.shape[0] <= MOST_WEIGHTS


class InputMoments:
    """Sums over the windows that a layer's weights see.

    Elements are in the order of the weights: rows, columns, channels of a window. Padding is zeros.

    Args:
        op: the layer.
        weights: type of its weights, [K, R, S, C / groups] or [K, C].
    """

    def __init__(self, op: Conv2d | Dense, weights: TensorType) -> None:
        self._op = op
        self._groups = op.groups if isinstance(op, Conv2d) else 1
        size = weights.elements // weights.shape[0]
        self._products: Floats = np.zeros((self._groups, size, size), np.float32)
        self._sums = np.zeros((self._groups, size))
        self._images = 0
        self._places = 0

    def add(self, x: Floats) -> None:
        """Draw places of one image's input, [1, H, W, C] or [1, C]; which ones depends on how many came before."""
        seen = self._windows(x)
        self._products += seen.transpose(0, 2, 1) @ seen
        self._sums += seen.sum(axis=1, dtype=np.float64)
        self._images += 1
        self._places += seen.shape[1]

    def _windows(self, x: Floats) -> Floats:
        """[groups, places, R * S * C / groups]."""
        if isinstance(self._op, Dense):
            return x[None]
        view = windows(x, self._op.window, 0.0)[0]
        rows, columns, channels, *kernel = view.shape
        places = np.arange(rows * columns)
        if places.size > PLACES:
            places = np.random.default_rng(self._images).integers(0, places.size, PLACES)
        drawn = view[places // columns, places % columns].reshape(
            places.size, self._groups, channels // self._groups, *kernel
        )
        ordered = drawn.transpose(1, 0, 3, 4, 2)
        return np.ascontiguousarray(ordered).reshape(self._groups, places.size, -1)

    @property
    def is_singular(self) -> bool:
        """Whether fewer places were seen than a window has elements, so that the covariance cannot be known."""
        return self._places < self._sums.shape[1]

    def covariance(self) -> NDArray[np.float64]:
        """About the mean, [groups, n, n]; zeros before anything was added."""
        means = self._sums / max(1, self._places)
        return self.second_moment() - means[:, :, None] * means[:, None, :]

    def second_moment(self) -> NDArray[np.float64]:
        """About zero, likewise."""
        return self._products.astype(np.float64) / max(1, self._places)
