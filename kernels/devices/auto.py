"""The device that chooses: an FPGA board if there is one and the model fits, else the CPU. Logs which, and why."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import replace

from accelserve.kernels.devices.cpu import CpuDevice
from accelserve.kernels.devices.fpga import FpgaDevice
from accelserve.kernels.errors import DeviceError, PlanError
from accelserve.kernels.opencl.options import parse_detail
from accelserve.kernels.opencl.runtime.discovery import discover
from accelserve.kernels.opencl.runtime.platforms import DeviceKind
from accelserve.kernels.program import CachedProgram, LoadOptions, Lowered, Program

_log = logging.getLogger(__name__)
_NO_BOARD = "there is no FPGA board here"


class AutoDevice:
    """An FPGA board or the CPU."""

    name = "auto"

    def __init__(self, detail: str = "", kinds: Collection[DeviceKind] = (DeviceKind.BOARD,)) -> None:
        """Choose among these kinds of OpenCL devices.

        Args:
            detail: options for the FPGA, as ``fpga:`` takes them.
            kinds: what counts as an FPGA. An emulator is slower than the CPU it runs on, so it is not chosen.
        """
        _, self._options = parse_detail(detail)
        self._kinds = frozenset(kinds)

    @property
    def caches_plans(self) -> bool:
        """Whether the CPU takes everything, which caches plans."""
        return not any(device.kind in self._kinds for device in discover())

    def load_cached(self, options: LoadOptions) -> CachedProgram | None:
        """Load what the CPU cached; see ``CachesPlans``. Only asked where there is no board."""
        found = CpuDevice().load_cached(options)
        if found is not None:
            _log.info("%s runs on %s: %s", options.model, found.program.description, _NO_BOARD)
        return found

    def load(self, lowered: Lowered, options: LoadOptions) -> Program:
        """Load on the first FPGA that takes the model, else on the CPU; logs one line with the reasons.

        Raises:
            UnsupportedNodesError: not even the CPU has every operator.
        """
        reasons = []
        for device in discover():
            if device.kind not in self._kinds:
                continue
            fpga = FpgaDevice(str(device.index), replace(self._options, strict=True))
            try:
                program = fpga.load(lowered, options)
            except (DeviceError, PlanError) as error:
                reasons.append(str(error))
            else:
                _log.info("%s runs on %s", options.model, program.description)
                return program
        why = "; ".join(reasons) or _NO_BOARD
        program = CpuDevice().load(lowered, options)
        _log.info("%s runs on %s: %s", options.model, program.description, why)
        return program
