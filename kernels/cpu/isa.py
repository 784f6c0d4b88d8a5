"""Which instruction set this processor should run, chosen before anything is compiled.

An instruction that the processor lacks raises nothing: it ends the process. So the choice is made here, from the
features that LLVM detects on the host, and a forced choice that cannot run is refused with the list of those that can.

``ACCELSERVE_ISA`` in the environment is the choice where none is named, as ``ONEDNN_MAX_CPU_ISA`` is for oneDNN: it also
reaches the processes that a server starts, and a whole run of the tests.
"""

from __future__ import annotations

import os

from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.microkernels.targets import INSTRUCTION_SETS
from accelserve.kernels.errors import DeviceError
from accelserve.kernels.native.levels import host_features, this_machine

VARIABLE = "ACCELSERVE_ISA"


def available() -> list[InstructionSet]:
    """The instruction sets that this processor can run, the best first; the generic one always is among them."""
    return [each for each in INSTRUCTION_SETS.values() if each.runs_on(this_machine(), host_features())]


def choose(name: str | None = None) -> InstructionSet:
    """The named instruction set, or the one that ``ACCELSERVE_ISA`` names, or the best.

    Raises:
        DeviceError: there is none of that name, or this processor cannot run it.
    """
    usable = available()
    name = name or os.environ.get(VARIABLE)
    if not name:
        return usable[0]
    for each in usable:
        if each.name == name:
            return each
    listed = ", ".join(each.name for each in usable)
    reason = "this processor lacks it" if name in INSTRUCTION_SETS else "there is none of that name"
    raise DeviceError(f"instruction set '{name}': {reason}; choose one of {listed}")
