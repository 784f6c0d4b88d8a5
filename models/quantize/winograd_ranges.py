"""How the taps of a layer's transformed input are quantized: from exact histograms, by least squared error.

A tap of a transformed uint8 patch is an integer of -1020..1020, so a histogram with a bin for every value loses
nothing, and the error of any choice of multiplier and zero point can be computed instead of estimated.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.ir import Padding, WinogradTaps
from accelserve.kernels.ir.winograd_ops import GREATEST_MULTIPLIER, TAPS

GREATEST = 1020
"""Of a tap's magnitude: a sum of four pixels, each at most 255 from its zero point."""
SHARES = np.linspace(0.30, 1.0, 36)
"""Shares of the seen range that are tried: what is beyond is clamped."""


class TapHistograms:
    """Histograms of the taps of one layer's input, over any number of images.

    Attributes:
        counts: int64 [16, 2041]; bin ``v + 1020`` of tap ``4 i + j``.
    """

    def __init__(self, padding: Padding, zero_point: int) -> None:
        self.counts = np.zeros((TAPS, 2 * GREATEST + 1), np.int64)
        self._padding = padding
        self._zero_point = zero_point

    def add(self, x: NDArray[np.uint8]) -> None:
        """Count one image, uint8 [1, H, W, C]."""
        top, left, bottom, right = self._padding
        _, height, width, channels = x.shape
        rows, columns = (height + top + bottom - 1) // 2, (width + left + right - 1) // 2
        centred = np.zeros((2 * rows + 2, 2 * columns + 2, channels), np.int16)
        centred[top : top + height, left : left + width] = x[0].astype(np.int16) - np.int16(self._zero_point)
        for i in range(4):
            down = _tap([centred[r : r + 2 * rows : 2] for r in range(4)], i)
            for j in range(4):
                tap = _tap([down[:, s : s + 2 * columns : 2] for s in range(4)], j)
                bins = np.bincount((tap + np.int16(GREATEST)).ravel(), minlength=2 * GREATEST + 1)
                self.counts[4 * i + j] += bins

    def taps(self) -> WinogradTaps:
        """The multipliers and zero points of least squared error."""
        chosen = [_best(counts) for counts in self.counts]
        return WinogradTaps(
            multipliers=tuple(multiplier for multiplier, _ in chosen),
            zero_points=tuple(zero_point for _, zero_point in chosen),
        )


def _tap(d: list[NDArray[np.int16]], position: int) -> NDArray[np.int16]:
    first, second, sign = ((0, 2, -1), (1, 2, 1), (2, 1, -1), (1, 3, -1))[position]
    return np.asarray(d[first] + sign * d[second], np.int16)


def _best(counts: NDArray[np.int64]) -> tuple[int, int]:
    """Multiplier and zero point of one tap; a finer step than one integer gains nothing."""
    values = np.flatnonzero(counts) - GREATEST
    weights = counts[values + GREATEST].astype(np.float64)
    low, high = min(int(values[0]), 0), max(int(values[-1]), 1)
    trials = []
    for share in SHARES:
        multiplier = int(np.clip(32768 * 254 / ((high - low) * share), 1, GREATEST_MULTIPLIER))
        zero_point = int(np.clip(np.rint(-low * share * multiplier / 32768), 0, 255))
        codes = np.clip(((values * multiplier + (1 << 14)) >> 15) + zero_point, 0, 255)
        error = (codes - zero_point) * (32768 / multiplier) - values
        trials.append((float(weights @ (error * error)), multiplier, zero_point))
    _, multiplier, zero_point = min(trials)
    return multiplier, zero_point


__all__ = ["TapHistograms"]
