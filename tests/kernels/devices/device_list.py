"""Every device that can run here, for tests that hold them all to the reference.

Kinds come from the entry points. The CPU stands for every instruction set that it has. The OpenCL kind stands for every OpenCL device found and every layout of the engine
that the device can take, with two sets of constants, since constants are where an engine hides its mistakes.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from accelserve.kernels.cpu import isa
from accelserve.kernels.devices.discovery import device_kinds, open_device
from accelserve.kernels.opencl.engine.configuration import EngineConfiguration
from accelserve.kernels.opencl.engine.source import EnginePath
from accelserve.kernels.opencl.runtime.discovery import discover
from accelserve.kernels.opencl.runtime.platforms import EMULATOR_DISTRIBUTION, DeviceKind
from accelserve.kernels.program import Device

if TYPE_CHECKING:
    from _pytest.mark.structures import ParameterSet

SMALL = EngineConfiguration(
    vec=8,
    lane=8,
    px=3,
    weight_depth=40,
    strip_vectors=8192,
    pixel_channel_depth=8192,
    sum_channel_depth=1024,
    weight_channel_depth=8192,
)
"""Weights that do not fit on chip, pixels that do not divide by three, strips of a few rows."""

NO_EMULATOR = "the FPGA emulator is not installed; pip install 'accelserve[fpga-emulator]'"


def emulator_installed() -> bool:
    """Whether the extra is there."""
    try:
        importlib.metadata.distribution(EMULATOR_DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def device_parameters() -> Iterator[ParameterSet]:
    """Test parameters: names for ``device_of``, marked ``fpga`` where they need an accelerator device."""
    for kind in device_kinds():
        if kind not in {"auto", "cpu", "fpga", "reference"}:
            yield pytest.param(kind)
    for instruction_set in isa.available():
        yield pytest.param(f"cpu:{instruction_set.name}")
    for device in discover():
        marks = () if device.kind is DeviceKind.OTHER else (pytest.mark.fpga,)
        for path in EnginePath:
            if path is EnginePath.FUSED or device.channels:
                name = f"fpga:{device.index}/{path.value}"
                yield pytest.param(name, marks=marks)
                yield pytest.param(f"{name}/small", marks=marks)
    if not emulator_installed():
        yield pytest.param("emulator", marks=(pytest.mark.fpga, pytest.mark.skip(reason=NO_EMULATOR)))


def device_of(name: str, lease_folder: Path) -> Device:
    """The device of a parameter; OpenCL devices are leased in the test's own folder."""
    selector, *layout = name.split("/")
    if not layout:
        return open_device(name)
    from accelserve.kernels.devices.fpga import FpgaDevice
    from accelserve.kernels.opencl.options import FpgaOptions

    options = FpgaOptions(
        path=EnginePath(layout[0]),
        configuration=SMALL if "small" in layout else None,
        lease_folder=lease_folder,
        strict=True,
    )
    return FpgaDevice(selector.partition(":")[2], options)
