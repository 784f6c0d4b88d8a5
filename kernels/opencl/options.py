"""Options of an OpenCL device, and their syntax after ``--device fpga:``."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accelserve.kernels.errors import DeviceError
from accelserve.kernels.opencl.engine.configuration import EngineConfiguration
from accelserve.kernels.opencl.engine.source import EnginePath
from accelserve.kernels.opencl.runtime.lease import LeasePolicy, default_lease_folder
from accelserve.kernels.opencl.runtime.supervisor import FaultPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class FpgaOptions:
    """How the device is used.

    Attributes:
        bitstream: a bitstream's folder or file; None compiles the source, which boards cannot.
        configuration: constants for compiling the source; None takes the emulator's.
        path: layout for compiling the source.
        policy: what to do when another model has the device. SWAP suits versions that follow each other: the new one
            takes over while the old one finishes on the CPU.
        others: what to do when a model of another server has it: REFUSE, QUEUE or CPU; None as ``policy`` says. So models
            of one server may follow each other (SWAP) on a device that another server is waited for.
        queue_timeout_s: how long QUEUE waits.
        lease_folder: where the device's lock is.
        strict: raise when the device cannot take the model, instead of running it on the CPU with a warning.
        run_deadline_s: for one image; None derives it from the network's size.
        start_deadline_s: for building the program and uploading the weights.
        faults: when a faulty device is marked down, and when it is tried again.
        clock: seconds; decides when a device that is down is tried again.
    """

    bitstream: Path | None = None
    configuration: EngineConfiguration | None = None
    path: EnginePath = EnginePath.FUSED
    policy: LeasePolicy = LeasePolicy.SWAP
    others: LeasePolicy | None = None
    queue_timeout_s: float = 60.0
    lease_folder: Path = field(default_factory=default_lease_folder)
    strict: bool = False
    run_deadline_s: float | None = None
    start_deadline_s: float = 300.0
    faults: FaultPolicy = field(default_factory=FaultPolicy)
    clock: Callable[[], float] = time.monotonic


def _towards_others(value: str) -> LeasePolicy:
    policy = LeasePolicy(value)
    if policy is LeasePolicy.SWAP:
        raise ValueError("a model of another server cannot be sent away; choose refuse, queue or cpu")
    return policy


_SETTINGS: dict[str, Callable[[str], Any]] = {
    "bitstream": Path,
    "path": EnginePath,
    "policy": LeasePolicy,
    "others": _towards_others,
    "queue_timeout_s": float,
    "run_deadline_s": float,
    "lease_folder": Path,
}


def parse_detail(detail: str) -> tuple[str, FpgaOptions]:
    """The device's number (or an empty string) and options of ``0,bitstream=FOLDER,policy=queue``.

    Raises:
        DeviceError: a key or value that means nothing.
    """
    index = ""
    settings: dict[str, Any] = {}
    for part in filter(None, detail.split(",")):
        key, equals, value = part.partition("=")
        if not equals and part.isdecimal() and not index:
            index = part
        elif key not in _SETTINGS:
            raise DeviceError(
                f"--device fpga:{detail}: '{part}' means nothing; give the device's number and any of "
                f"{', '.join(f'{name}=...' for name in _SETTINGS)}"
            )
        else:
            settings[key] = _parsed(key, value)
    return index, FpgaOptions(**settings)


def _parsed(key: str, value: str) -> Any:
    try:
        return _SETTINGS[key](value)
    except ValueError as error:
        raise DeviceError(f"--device fpga:{key}={value}: {error}") from None
