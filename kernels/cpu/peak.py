"""How fast a team of workers can multiply at most, measured: the yardstick of profiles."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from accelserve.kernels.cpu.machine_code import KERNELS, object_code
from accelserve.kernels.cpu.microkernels import peak
from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.team import Team
from accelserve.kernels.cpu.tile_registers import tile_configuration

_ROUNDS = 12
_SECONDS_A_ROUND = 0.002


def measured_peak(isa: InstructionSet, team: Team, cache: Path | None) -> float:
    """Multiply-accumulates a second of all workers together: the best of some rounds of two milliseconds.

    The team must not be in use.
    """
    name = f"peak__{isa.name}"
    function = KERNELS.address(
        name, lambda: object_code(peak.emit_peak(name, isa), isa.target), isa.target, cache
    )
    configuration = tile_configuration(16)
    memory = np.zeros((team.size, peak.MEMORY_BYTES), np.uint8)
    record = np.array([1000, memory.ctypes.data, configuration.ctypes.data], np.int64)
    table = np.array([[function, team.size, record.ctypes.data]], np.int64)
    best = 0.0
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        team.run(int(table.ctypes.data), 1)
        seconds = time.perf_counter() - began
        best = max(best, float(record[peak.TURNS]) * peak.macs_per_turn(isa) * team.size / seconds)
        record[peak.TURNS] = int(best * _SECONDS_A_ROUND / peak.macs_per_turn(isa) / team.size) + 1
    return best
