"""One file per operator: its compiled steps, and how a node of a graph becomes one. New files are found by themselves."""

from __future__ import annotations

import importlib
import pkgutil

from accelserve.kernels.cpu.compiler.lowering import LOWERINGS

for _entry in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_entry.name}")

__all__ = ["LOWERINGS"]
