"""Devices are found by their entry points, and none is forgotten."""

from __future__ import annotations

import pkgutil
from importlib.metadata import entry_points

import pytest

from accelserve.kernels import devices
from accelserve.kernels.devices.discovery import GROUP, device_kinds, open_device
from accelserve.kernels.errors import DeviceError


def test_every_file_of_devices_has_an_entry_point() -> None:
    named = {entry.module for entry in entry_points(group=GROUP)}
    files = {f"{devices.__name__}.{entry.name}" for entry in pkgutil.iter_modules(devices.__path__)}
    missing = sorted(files - named - {f"{devices.__name__}.discovery"})
    assert not missing, f"add a line to {GROUP} in pyproject.toml, and run make setup"


def test_an_unknown_kind_lists_those_there_are() -> None:
    with pytest.raises(
        DeviceError, match=f"no device is called 'tpu'; there are {', '.join(device_kinds())}"
    ):
        open_device("tpu")
