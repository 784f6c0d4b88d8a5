"""OpenCL devices of this machine, and making the emulator's driver visible without environment variables."""

from __future__ import annotations

import atexit
import enum
import importlib.metadata
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyopencl

EMULATOR_DISTRIBUTION = "intel-opencl-fpga-emu-rt"
EMULATOR_LIBRARY = "libintelocl_emu.so"
SYSTEM_DRIVERS = Path("/etc/OpenCL/vendors")


class DeviceKind(enum.Enum):
    """What an OpenCL device is to us; the order is the order of preference."""

    BOARD = "FPGA board"
    EMULATOR = "FPGA emulator"
    OTHER = "other OpenCL device"


@dataclass(frozen=True, slots=True)
class OpenClDevice:
    """One OpenCL device.

    Attributes:
        index: its place among all, boards first; ``fpga:INDEX`` names it.
        kind: board, emulator, or anything else.
        platform, name, version: what the driver says.
        ordinal: its number among devices of the same platform and name.
        channels: whether kernels can be linked by channels.
        compiler: whether it compiles source; a board does not.
        memory_bytes, allocation_bytes: of the device in all, and of its greatest buffer.
    """

    index: int
    kind: DeviceKind
    platform: str
    name: str
    version: str
    ordinal: int
    channels: bool
    compiler: bool
    memory_bytes: int
    allocation_bytes: int

    @property
    def selector(self) -> str:
        """What ``--device`` calls it."""
        return f"fpga:{self.index}"

    @property
    def line(self) -> str:
        """One line for logs and errors."""
        return f"{self.selector} {self.name} ({self.kind.value}, {self.platform})"


def show_drivers() -> None:
    """Let the OpenCL loader see the emulator where it is installed as a package.

    Must run before the first OpenCL call of the process. A user's own OCL_ICD_VENDORS is left alone. The packages'
    own driver entries hold paths that do not exist after installation, hence a folder of our own, which goes when
    the process ends.
    """
    if "OCL_ICD_VENDORS" in os.environ:
        return
    emulator = _emulator_library()
    if emulator is None:
        return
    folder = Path(tempfile.mkdtemp(prefix="opencl-drivers-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for number, driver in enumerate([str(emulator), *_other_drivers()]):
        (folder / f"{number}.icd").write_text(driver + "\n", encoding="utf-8")
    os.environ["OCL_ICD_VENDORS"] = str(folder)


def _emulator_library() -> Path | None:
    try:
        files = importlib.metadata.distribution(EMULATOR_DISTRIBUTION).files or []
    except importlib.metadata.PackageNotFoundError:
        return None
    found = (Path(str(file.locate())).resolve() for file in files if file.name == EMULATOR_LIBRARY)
    return next((path for path in found if path.is_file()), None)


def _other_drivers() -> Iterator[str]:
    """The system's drivers, which setting OCL_ICD_VENDORS would hide; PoCL's package is found in any case."""
    for entry in sorted(SYSTEM_DRIVERS.glob("*.icd")):
        yield entry.read_text(encoding="utf-8").strip()


def find_devices() -> list[tuple[OpenClDevice, pyopencl.Device]]:
    """Every device of every platform, boards first, then emulators; empty without pyopencl or drivers.

    Calls into the drivers, so it belongs in a process that may die; see ``discovery``.
    """
    show_drivers()
    try:
        import pyopencl
    except ImportError:
        return []
    try:
        platforms = pyopencl.get_platforms()
    except pyopencl.Error:
        return []  # the loader knows no driver
    found = [(platform, device) for platform in platforms for device in _devices_of(platform)]
    found.sort(key=lambda pair: list(DeviceKind).index(_kind(*pair)))
    seen: Counter[tuple[str, str]] = Counter()
    described = []
    for index, (platform, device) in enumerate(found):
        key = (platform.name, device.name)
        described.append((_describe(index, seen[key], platform, device), device))
        seen[key] += 1
    return described


def _devices_of(platform: pyopencl.Platform) -> list[pyopencl.Device]:
    import pyopencl

    try:
        return list(platform.get_devices())
    except pyopencl.Error:
        return []  # a driver without its hardware


def _kind(platform: pyopencl.Platform, device: pyopencl.Device) -> DeviceKind:
    import pyopencl

    if "emulation" in platform.name.lower():
        return DeviceKind.EMULATOR
    fpga = device.type & pyopencl.device_type.ACCELERATOR and "fpga" in (platform.name + device.name).lower()
    return DeviceKind.BOARD if fpga else DeviceKind.OTHER


def _describe(index: int, ordinal: int, platform: pyopencl.Platform, device: pyopencl.Device) -> OpenClDevice:
    return OpenClDevice(
        index=index,
        kind=_kind(platform, device),
        platform=platform.name.strip(),
        name=device.name.strip(),
        version=f"{device.version} {device.driver_version}".strip(),
        ordinal=ordinal,
        channels="cl_intel_channels" in device.extensions or "cl_altera_channels" in device.extensions,
        compiler=bool(device.compiler_available),
        memory_bytes=int(device.global_mem_size),
        allocation_bytes=int(device.max_mem_alloc_size),
    )
