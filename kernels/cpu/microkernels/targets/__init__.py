"""The instruction sets, one file each with its ``INSTRUCTION_SET``; a new file is found by itself."""

from __future__ import annotations

import importlib
import pkgutil

from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet


def _found() -> dict[str, InstructionSet]:
    modules = [
        importlib.import_module(f"{__name__}.{entry.name}") for entry in pkgutil.iter_modules(__path__)
    ]
    every = [module.INSTRUCTION_SET for module in modules if hasattr(module, "INSTRUCTION_SET")]
    return {each.name: each for each in sorted(every, key=lambda each: -each.preference)}


INSTRUCTION_SETS: dict[str, InstructionSet] = _found()
"""Name -> instruction set, the most preferred first."""
