"""What can go wrong with an OpenCL device.

OpenClError, a DeviceError     (kernels.errors)
├── NoDeviceError              nothing that can run the engine, or not under that name
├── DeviceHeldError            another model has the device
├── LeaseFolderError           the folder of the devices' locks cannot be used
├── BitstreamError             a bitstream that must not be used
├── BuildError                 the device's compiler refused the source
├── CompilerMissingError       there is no compiler for boards here
├── DeviceMemoryError          the model does not fit the device's memory
├── DeviceHungError            a run did not end in time
└── DeviceLostError            the device, or its process, is gone
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from accelserve.kernels.errors import DeviceError


class OpenClError(DeviceError):
    """Base of the errors of this room.

    They cross from the device's process to the server's, so each keeps its constructor's arguments as attributes,
    in order, and is made again from them.
    """

    def __reduce__(self) -> tuple[type[OpenClError], tuple[object, ...]]:
        return type(self), tuple(self.__dict__.values())


class NoDeviceError(OpenClError):
    """No device fits the selector.

    Attributes:
        selector: what was asked for.
        found: one line for every OpenCL device there is.
    """

    def __init__(self, selector: str, found: Sequence[str]) -> None:
        self.selector = selector
        self.found = tuple(found)
        there = "; ".join(found) if found else "no OpenCL device at all"
        super().__init__(
            f"--device {selector}: no FPGA or FPGA emulator here (found {there}). Install a board's OpenCL runtime, "
            "or the emulator with: pip install 'accelserve[fpga-emulator]'"
        )


class DeviceHeldError(OpenClError):
    """Another model has the lease.

    Attributes:
        device: its name.
        holder: model and process that hold it, as a phrase.
    """

    def __init__(self, device: str, holder: str) -> None:
        self.device = device
        self.holder = holder
        super().__init__(
            f"{device} runs one model at a time and is held by {holder}; unload it, or choose the policy "
            "queue, cpu, or (among the models of one server) swap"
        )


class LeaseFolderError(OpenClError):
    """There can be no lock in the lease folder.

    Attributes:
        folder: where it is.
        reason: what the system said.
    """

    def __init__(self, folder: Path, reason: str) -> None:
        self.folder = folder
        self.reason = reason
        super().__init__(
            f"lease folder {folder}: {reason}; every user who shares the device needs to be allowed to write there"
        )


class BitstreamError(OpenClError):
    """A bitstream that must not be used.

    Attributes:
        folder: where it is.
        reason: what was found and expected.
    """

    def __init__(self, folder: Path, reason: str) -> None:
        self.folder = folder
        self.reason = reason
        super().__init__(f"bitstream {folder}: {reason}; build it again with: accelserve fpga build")


class BuildError(OpenClError):
    """The device's compiler refused the source.

    Attributes:
        log: what it said.
    """

    def __init__(self, log: str) -> None:
        self.log = log
        super().__init__(f"the OpenCL compiler refused the engine: {log}")


class CompilerMissingError(OpenClError):
    """There is no compiler for boards on the PATH.

    Attributes:
        command: what would have been run.
        folder: where; the source is there.
    """

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self.command = tuple(command)
        self.folder = folder
        super().__init__(
            f"there is no '{command[0]}' on the PATH (it comes with the Intel FPGA SDK for OpenCL and a board package); "
            f"where there is one, run in {folder}: {' '.join(command)}"
        )


class DeviceMemoryError(OpenClError):
    """The model does not fit.

    Attributes:
        needed_bytes: what the model takes.
        available_bytes: what the device offers.
    """

    def __init__(self, needed_bytes: int, available_bytes: int) -> None:
        self.needed_bytes = needed_bytes
        self.available_bytes = available_bytes
        super().__init__(
            f"the model needs {needed_bytes} bytes on the device, which could not give them (it reports "
            f"{available_bytes}); use --device cpu"
        )


class DeviceHungError(OpenClError):
    """A run did not end in time; the device's process was ended.

    Attributes:
        deadline_s: seconds it was given.
    """

    def __init__(self, deadline_s: float) -> None:
        self.deadline_s = deadline_s
        super().__init__(f"the device did not answer within {deadline_s:.1f} s; its process was ended")


class DeviceLostError(OpenClError):
    """The device, or the process that drives it, is gone or failed.

    Attributes:
        reason: what was seen.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the device was lost: {reason}")
