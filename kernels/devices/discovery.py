"""Devices by name. A name is ``KIND`` or ``KIND:DETAIL``: ``cpu``, ``cpu:generic``, ``fpga:0``, ``reference``.

Each kind is an entry point of the group ``accelserve.devices``: a callable that makes a device of the detail, or is called
without arguments where there is none.
"""

from __future__ import annotations

from importlib.metadata import entry_points

from accelserve.kernels.errors import DeviceError
from accelserve.kernels.program import Device

GROUP = "accelserve.devices"


def device_kinds() -> list[str]:
    """Every kind that is installed, sorted."""
    return sorted({entry.name for entry in entry_points(group=GROUP)})


def open_device(name: str) -> Device:
    """The device of this name.

    Raises:
        DeviceError: no such kind is installed, or the device refuses (it is missing, or the detail means nothing to it).
    """
    kind, _, detail = name.partition(":")
    for entry in entry_points(group=GROUP):
        if entry.name == kind:
            make = entry.load()
            device: Device = make(detail) if detail else make()
            return device
    raise DeviceError(f"no device is called '{kind}'; there are {', '.join(device_kinds())}")
