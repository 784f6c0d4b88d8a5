"""The room's one door to numba: a typed decorator."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile on first call, without the GIL, cached on disk beside the source.

    Strict IEEE arithmetic: no ``fastmath``, so nothing is contracted to a fused multiply-add or reordered, and every
    CPU gives the same bytes. ``error_model="numpy"`` makes 0 / 0 a NaN instead of an exception.
    """
    return cast("Callable[P, R]", numba.njit(nogil=True, cache=True, error_model="numpy")(function))
