"""How fast a team of workers can multiply at most, measured: the yardstick of profiles."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import numpy as np

from accelserve.kernels.cpu.microkernels import peak
from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.microkernels.tile_registers import tile_configuration
from accelserve.kernels.cpu.runtime.team import Team
from accelserve.kernels.native.machine_code import KERNELS, object_code

_ROUNDS = 12
_SECONDS_A_ROUND = 0.002


def measured_peak(isa: InstructionSet, workers: int, cache: Path | None) -> float:
    """Multiply-accumulates a second of so many workers together: the best of some rounds of two milliseconds."""
    name = f"peak__{isa.name}"
    function = KERNELS.address(
        name, lambda: object_code(peak.emit_peak(name, isa), isa.target), isa.target, cache
    )
    configuration = tile_configuration(16)
    memory = np.zeros((workers, peak.MEMORY_BYTES), np.uint8)
    record = np.array([1000, memory.ctypes.data, configuration.ctypes.data], np.int64)
    table = np.array([[function, workers, record.ctypes.data]], np.int64)
    best = 0.0
    with closing(Team(workers, cache)) as team:
        for _ in range(_ROUNDS):
            began = time.perf_counter()
            team.run(int(table.ctypes.data), 1)
            seconds = time.perf_counter() - began
            best = max(best, float(record[peak.TURNS]) * peak.macs_per_turn(isa) * workers / seconds)
            record[peak.TURNS] = int(best * _SECONDS_A_ROUND / peak.macs_per_turn(isa) / workers) + 1
    return best
