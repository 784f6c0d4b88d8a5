"""The compiled functions of a plan's steps."""

from __future__ import annotations

from collections.abc import Callable

from accelserve.kernels.cpu.plan.accesses import DECLARATIONS
from accelserve.kernels.native.compiled import Compiled
from accelserve.kernels.native.jit import entry_point


def step(function: Callable[[int, int, int], None]) -> Compiled:
    """Mark a plan's step, which takes its record, an item and the worker's number.

    Raises:
        TypeError: the step does not declare what it reads and writes; see ``plan.accesses``.
    """
    handle = entry_point(3)(function)
    if handle.symbol not in DECLARATIONS:
        raise TypeError(
            f"{handle.symbol} declares no accesses; add them to accelserve.kernels.cpu.plan.accesses"
        )
    return handle
