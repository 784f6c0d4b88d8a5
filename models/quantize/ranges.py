"""Which range of an activation gets the 256 codes: one function a method, all on the same histogram.

A method is chosen by name; to add one, write a function and put it into ``METHODS``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from accelserve.models.quantize.histogram import Histogram

Range: TypeAlias = tuple[float, float]
"""Least and greatest value that is represented; the least is 0 or below, the greatest 0 or above."""

PERCENTILE = 99.999
_SHRINKS = np.linspace(0.2, 1.0, 161)


def minmax(histogram: Histogram) -> Range:
    """Everything that was seen."""
    return min(histogram.low, 0.0), max(histogram.high, 0.0)


def percentile(histogram: Histogram, percent: float = PERCENTILE) -> Range:
    """Without the ``100 - percent`` per cent of elements beyond either end."""
    cumulated = np.cumsum(histogram.counts)
    total = int(cumulated[-1])
    beyond = total * (1 - percent / 100)
    edges = (np.arange(histogram.counts.size + 1) - histogram.counts.size / 2) * histogram.width
    low = edges[int(np.searchsorted(cumulated, beyond, side="right"))]
    high = edges[int(np.searchsorted(cumulated, total - beyond, side="left")) + 1]
    return max(min(low, 0.0), min(histogram.low, 0.0)), min(max(high, 0.0), max(histogram.high, 0.0))


def mse(histogram: Histogram) -> Range:
    """The least mean squared error of rounding and clipping together, each end searched by itself."""
    low, high = minmax(histogram)
    error = _SquaredError(histogram)
    for _ in range(2):
        highs = high * _SHRINKS
        high = float(highs[np.argmin(error.of(low, highs))])
        lows = low * _SHRINKS
        low = float(lows[np.argmin(error.of(lows, high))])
    return low, high


class _SquaredError:
    """Squared error of 8-bit codes over any range, from sums that are made once."""

    def __init__(self, histogram: Histogram) -> None:
        # A pile at exactly zero (what a ReLU cut off) is represented exactly under every range.
        used = np.flatnonzero(histogram.counts * (np.abs(histogram.centers) > histogram.width))
        self._centers = histogram.centers[used]
        moments = histogram.counts[used] * self._centers ** np.arange(3)[:, None]
        self._sums = np.concatenate([np.zeros((3, 1)), np.cumsum(moments, axis=1)], axis=1)

    def of(self, low: float | NDArray[np.float64], high: float | NDArray[np.float64]) -> NDArray[np.float64]:
        """Summed over all elements, for each of several ranges: those inside are rounded, those outside clipped."""
        first, last = np.searchsorted(self._centers, low), np.searchsorted(self._centers, high)
        inside = self._sums[0, last] - self._sums[0, first]
        below = self._sums[:, first]
        above = (self._sums[:, -1] - self._sums[:, last].T).T
        clipped = sum(
            tail[2] - 2 * end * tail[1] + end**2 * tail[0] for end, tail in ((low, below), (high, above))
        )
        # Rounding to a grid of step s has the mean squared error s**2 / 12, whatever the grid's offset.
        errors = inside * ((high - low) / 255) ** 2 / 12 + clipped
        return np.where(np.equal(low, high), np.inf, errors)


def entropy(histogram: Histogram) -> Range:
    """The least divergence between the distribution and its quantized form (Migacz, GTC 2017), on magnitudes."""
    low, high = minmax(histogram)
    half = histogram.counts.size // 2
    magnitudes = histogram.counts[half:] + histogram.counts[:half][::-1]
    # The pile at zero is represented exactly under every threshold, and would drown the rest.
    magnitudes[0] = 0
    if not magnitudes.any():
        return low, high
    levels = 128 if low < 0.0 < high else 256
    last = int(np.flatnonzero(magnitudes)[-1]) + 1
    ends = np.unique(np.linspace(min(levels, last), last, 128).astype(int))
    best = min(ends, key=lambda end: _divergence(magnitudes, int(end), levels))
    threshold = float(best * histogram.width)
    return max(low, -threshold), min(high, threshold)


def _divergence(counts: NDArray[np.int64], end: int, levels: int) -> float:
    """Kullback-Leibler divergence of the clipped distribution from itself in ``levels`` steps."""
    reference = counts[:end].astype(np.float64)
    occupied = reference > 0
    codes = (np.arange(end) * levels) // end
    sums = np.bincount(codes, reference, minlength=levels)
    cells = np.bincount(codes, occupied, minlength=levels)
    spread = np.divide(sums, cells, out=np.zeros(levels), where=cells > 0)[codes] * occupied
    reference[-1] += counts[end:].sum()
    spread[-1] = max(spread[-1], 1e-9) if reference[-1] else spread[-1]
    p, q = reference / reference.sum(), spread / spread.sum()
    both = (p > 0) & (q > 0)
    return float(np.sum(p[both] * np.log(p[both] / q[both])))


METHODS: Mapping[str, Callable[[Histogram], Range]] = MappingProxyType(
    {"minmax": minmax, "percentile": percentile, "entropy": entropy, "mse": mse}
)
