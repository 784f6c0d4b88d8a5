"""How far values are from what they should be, summed over any number of arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_TINY = float(np.finfo(np.float64).tiny)


@dataclass(slots=True)
class Comparison:
    """Sums of squares, kept while pairs of arrays are added.

    Attributes:
        signal: of what was expected.
        noise: of the differences.
        product: of expected times found.
        found: of what was found.
    """

    signal: float = 0.0
    noise: float = 0.0
    product: float = 0.0
    found: float = 0.0

    def add(self, expected: NDArray[np.floating], found: NDArray[np.floating]) -> None:
        """Add a pair of one shape; computed in float64."""
        a, b = expected.astype(np.float64).ravel(), found.astype(np.float64).ravel()
        difference = b - a
        self.signal += float(a @ a)
        self.noise += float(difference @ difference)
        self.product += float(a @ b)
        self.found += float(b @ b)

    @property
    def sqnr_db(self) -> float:
        """``10 log10(signal / noise)``; infinite where nothing differs."""
        if self.noise == 0:
            return math.inf
        return 10 * math.log10(max(self.signal / self.noise, _TINY))

    @property
    def cosine(self) -> float:
        """Between expected and found, all elements of all arrays as one vector; 1 where both are all zeros."""
        if self.noise == 0:
            return 1.0
        return self.product / math.sqrt(max(self.signal * self.found, _TINY))
