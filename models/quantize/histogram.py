"""The distribution of a tensor's elements over many images, in bounded memory."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

BINS = 8192
"""Enough that the 99.999th percentile of an activation falls within 1/4000 of its range."""


class Histogram:
    """Counts over ``(-limit, limit)``, where ``limit`` is the least power of two beyond every element.

    It doubles whenever an element lies outside, which merges neighbouring bins in pairs: counts stay exact, and do not
    depend on the order of elements or on how they are split into calls.
    """

    def __init__(self) -> None:
        self.counts: NDArray[np.int64] = np.zeros(BINS, np.int64)
        self.limit = 0.0
        self.low = math.inf
        self.high = -math.inf

    def add(self, array: NDArray[np.float32]) -> None:
        """Count every element; ValueError if one is not finite."""
        low, high = float(array.min()), float(array.max())
        if not math.isfinite(low) or not math.isfinite(high):
            raise ValueError("an element is not finite")
        self.low, self.high = min(self.low, low), max(self.high, high)
        self._grow(max(-low, high))
        scale = np.float32(BINS / 2 / self.limit)
        # The scale is a power of two, so the product and its floor are exact; in float64 where float32 could underflow.
        elements = array.ravel() if scale >= 1 else array.ravel().astype(np.float64)
        places = np.floor(elements * scale).astype(np.int32) + BINS // 2
        self.counts += np.bincount(places, minlength=BINS)

    @property
    def width(self) -> float:
        """Width of one bin."""
        return 2 * self.limit / BINS

    @property
    def centers(self) -> NDArray[np.float64]:
        """Middle of every bin."""
        return np.asarray((np.arange(BINS) - BINS / 2 + 0.5) * self.width, np.float64)

    def _grow(self, reach: float) -> None:
        if self.limit == 0.0:
            # Nothing below 2 ** -60 is told from zero, whose exponent frexp gives as 0; its mantissa is below 1, so
            # the limit is beyond the reach.
            exponent = math.frexp(reach)[1] if reach else -60
            self.limit = 2.0 ** max(exponent, -60)
        while self.limit <= reach:
            merged = self.counts.reshape(-1, 2).sum(axis=1)
            self.counts = np.zeros(BINS, np.int64)
            self.counts[BINS // 4 : BINS // 4 + BINS // 2] = merged
            self.limit *= 2
