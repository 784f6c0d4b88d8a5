"""The room's one door to numba: a typed decorator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba

from accelserve.kernels.numba_cache import patient_cache

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile on first call, without the GIL, cached on disk beside the source.

    Strict IEEE arithmetic: no ``fastmath``, so nothing is contracted to a fused multiply-add or reordered, and every
    CPU gives the same bytes. ``error_model="numpy"`` makes 0 / 0 a NaN instead of an exception.
    """
    made: Any = numba.njit(nogil=True, error_model="numpy")(function)
    made._cache = patient_cache(function)  # noqa: SLF001 - what numba's ``cache=True`` sets, but for the patience
    return cast("Callable[P, R]", made)
