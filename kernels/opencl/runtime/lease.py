"""One model at a time on a device: a lock of the operating system, which ends with the process that holds it.

Containers that mount one lease folder share its locks: a lock belongs to the file, whatever names it has.
"""

from __future__ import annotations

import enum
import fcntl
import json
import os
import re
import socket
import stat
import tempfile
import threading
import time
from pathlib import Path

from accelserve.kernels.opencl.errors import DeviceHeldError, LeaseFolderError
from accelserve.kernels.opencl.runtime.platforms import OpenClDevice

QUEUE_INTERVAL_S = 0.05


class LeasePolicy(enum.Enum):
    """What a second model does about a device that is taken.

    REFUSE fails to load and names the holder; QUEUE waits for it; SWAP sends the holder, if it is a model of this
    process, to the CPU and takes its place, and refuses one of another process; CPU runs the newcomer on the CPU.
    """

    REFUSE = "refuse"
    QUEUE = "queue"
    SWAP = "swap"
    CPU = "cpu"


def default_lease_folder() -> Path:
    """Where locks are kept: one place for all processes of this user."""
    return Path(tempfile.gettempdir()) / f"accelserve-leases-{os.getuid()}"


class Lease:
    """A held lock on one device.

    The file descriptor is passed on to the device's process, so the device counts as taken until both are gone.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor

    def release(self) -> None:
        """Give the device back; a second call does nothing."""
        if self.descriptor >= 0:
            os.ftruncate(self.descriptor, 0)
            os.close(self.descriptor)
            self.descriptor = -1


def lease_path(device: OpenClDevice, folder: Path) -> Path:
    """The lock's file: the same for every process that sees this device, whatever number it has there."""
    slug = re.sub(r"[^a-z0-9]+", "-", f"{device.platform} {device.name} {device.ordinal}".lower()).strip("-")
    return folder / f"{slug}.lock"


def acquire(device: OpenClDevice, holder: str, folder: Path, wait_s: float = 0.0) -> Lease:
    """Take the device.

    Args:
        device: which one.
        holder: how others will be told about us.
        folder: where the locks are.
        wait_s: how long to wait for the present holder; 0 asks once.

    Raises:
        DeviceHeldError: it is still held after that time.
        LeaseFolderError: there can be no lock in the folder.
    """
    path = lease_path(device, folder)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = _opened(path)
    except OSError as error:
        raise LeaseFolderError(folder, error.strerror or str(error)) from error
    until = time.monotonic() + wait_s
    pause = threading.Event()
    while not _locked(descriptor):
        if time.monotonic() >= until:
            os.close(descriptor)
            raise DeviceHeldError(device.selector, holder_of(path))
        pause.wait(QUEUE_INTERVAL_S)
    os.ftruncate(descriptor, 0)
    entry = {"pid": os.getpid(), "host": socket.gethostname(), "holder": holder}
    os.pwrite(descriptor, json.dumps(entry).encode(), 0)
    return Lease(path, descriptor)


def lease_holder(device: OpenClDevice, folder: Path) -> str:
    """Who holds the device now, as a phrase; empty if it is free, or the folder is not ours to read."""
    path = lease_path(device, folder)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return "" if _locked(descriptor) else holder_of(path)
    finally:
        os.close(descriptor)


def holder_of(path: Path) -> str:
    """Who holds the lock, as a phrase with the host's or container's name; 'somebody' while they have not written it."""
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))
        return f"{entry['holder']} (process {entry['pid']} on {entry['host']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "somebody"


def _opened(path: Path) -> int:
    """The lock's file, made if it is not there, for everybody who may use its folder: containers may have other users."""
    try:
        # Not with O_CREAT at first: where everybody may write (/tmp), the kernel refuses that for another user's file.
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if os.fstat(descriptor).st_uid == os.geteuid():
        os.fchmod(descriptor, stat.S_IMODE(path.parent.stat().st_mode) & 0o666)
    return descriptor


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
