"""Another server's hold on a device: ``python -m tests.kernels.devices.lease_holder NUMBER FOLDER``; ends when killed."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from accelserve.kernels.opencl.runtime.discovery import discover
from accelserve.kernels.opencl.runtime.lease import acquire


def main(number: str, folder: str) -> None:
    """Take the lease, say so, wait."""
    lease = acquire(discover()[int(number)], "another server/1", Path(folder))
    sys.stdout.write("held\n")
    sys.stdout.flush()
    signal.pause()
    lease.release()


if __name__ == "__main__":
    main(*sys.argv[1:])
