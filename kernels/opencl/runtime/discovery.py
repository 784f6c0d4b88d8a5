"""Which OpenCL devices there are, asked in a separate process: a broken driver must not take the server down.

As a program (``python -m accelserve.kernels.opencl.runtime.discovery``) it writes the devices to standard output.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from accelserve.kernels.opencl.errors import NoDeviceError
from accelserve.kernels.opencl.runtime.platforms import DeviceKind, OpenClDevice, find_devices

DISCOVERY_TIMEOUT_S = 60.0


def discover(*, refresh: bool = False) -> tuple[OpenClDevice, ...]:
    """Every OpenCL device, boards first; the answer is kept for this process until ``refresh``.

    A driver that crashes or hangs while it is asked counts as no device.
    """
    if importlib.util.find_spec("pyopencl") is None:
        return ()
    if refresh:
        _asked.cache_clear()
    return _asked(os.environ.get("OCL_ICD_VENDORS"))


def choose(selector: str, devices: Sequence[OpenClDevice]) -> OpenClDevice:
    """The device that a selector names.

    Args:
        selector: ``fpga`` for the first board or emulator, ``fpga:N`` for the N-th OpenCL device of any kind.
        devices: as ``discover`` lists them.

    Raises:
        NoDeviceError: there is no such device, or it could not run the engine.
    """
    lines = [device.line for device in devices]
    if selector == "fpga":
        for device in devices:
            if device.kind is not DeviceKind.OTHER:
                return device
        raise NoDeviceError(selector, lines)
    _, _, number = selector.partition(":")
    if not number.isdecimal() or int(number) >= len(devices):
        raise NoDeviceError(selector, lines)
    return devices[int(number)]


@lru_cache(maxsize=4)
def _asked(drivers: str | None) -> tuple[OpenClDevice, ...]:
    del drivers  # part of the key: another set of drivers is another question
    try:
        answer = subprocess.run(  # noqa: S603 - our own module, with our own interpreter
            [sys.executable, "-P", "-m", __name__],
            capture_output=True,
            timeout=DISCOVERY_TIMEOUT_S,
            check=True,
        )
    except (subprocess.SubprocessError, OSError):
        return ()
    return tuple(_device(fields) for fields in json.loads(answer.stdout.splitlines()[-1]))


def _device(fields: dict[str, Any]) -> OpenClDevice:
    return OpenClDevice(**{**fields, "kind": DeviceKind(fields["kind"])})


def main() -> None:
    """Write the devices as one line of JSON, after whatever the drivers print."""
    found = [{**asdict(device), "kind": device.kind.value} for device, _ in find_devices()]
    sys.stdout.write("\n" + json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
