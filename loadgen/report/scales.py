"""Values to places on a drawing, and the values that an axis names. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """Where a value lies, in pixels, and the values that are written beside the axis."""

    place: Callable[[float], float]
    ticks: Sequence[tuple[float, str]]


def linear(low: float, high: float, begin: float, end: float) -> Axis:
    """Values from ``low`` to the next round one above ``high``, from pixel ``begin`` to ``end``."""
    step = round_step(max(high - low, 1e-9) / 5)
    top = low + step * max(1, math.ceil((high - low) / step - 1e-9))
    count = round((top - low) / step)
    ticks = [(low + step * number, _written(low + step * number)) for number in range(count + 1)]
    return Axis(place=lambda value: begin + (end - begin) * (value - low) / (top - low), ticks=ticks)


def logarithmic(low: float, high: float, begin: float, end: float) -> Axis:
    """Values from the round one (1, 2 or 5 times a power of ten) below ``low`` to that above ``high``; both positive."""
    bottom, top = _round_below(low), round_step(high)
    if top <= bottom:
        top = 10 * bottom
    ticks, value = [], bottom
    while value <= top * (1 + 1e-9):
        ticks.append((value, _written(value)))
        value = round_step(value * 1.5)
    span = math.log(top / bottom)
    return Axis(
        place=lambda value: begin + (end - begin) * math.log(max(value, bottom) / bottom) / span, ticks=ticks
    )


def _round_below(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value) + 1e-9)
    return next(factor * power for factor in (5, 2, 1) if factor * power <= value * (1 + 1e-9))


def percentiles(highest: float, begin: float, end: float) -> Axis:
    """Percentiles by the number of nines, as HdrHistogram's plots have them: 0, 90, 99, 99.9, ...

    Args:
        highest: percentile at ``end``, below 100.
        begin: pixel of 0.
        end: pixel of ``highest``.
    """
    nines = max(1, math.ceil(_nines(highest) - 1e-9))
    ticks = [(0.0, "0 %"), (50.0, "50 %")] + [
        (100 - 100 * 10.0**-number, f"{100 - 100 * 10.0**-number:.{max(0, number - 2)}f} %")
        for number in range(1, nines + 1)
    ]
    return Axis(place=lambda value: begin + (end - begin) * _nines(value) / nines, ticks=ticks)


def _nines(percentile: float) -> float:
    return -math.log10(1 - percentile / 100)


def round_step(least: float) -> float:
    """The smallest of 1, 2, 5, 10, ... times a power of ten that is at least so large."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))


def _written(value: float) -> str:
    return f"{value:.10g}" if abs(value) < 1e6 else f"{value:.3g}"
