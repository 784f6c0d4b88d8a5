"""A server whose device hangs: ``python -m tests.kernels.devices.hanging_server NUMBER BITSTREAM FOLDER``.

Writes the device's process id, then waits for an answer that will not come.
"""

from __future__ import annotations

import sys
from pathlib import Path

from accelserve.kernels.devices.fpga import FpgaDevice
from accelserve.kernels.opencl.options import FpgaOptions
from accelserve.kernels.opencl.runtime.hybrid import FpgaProgram
from accelserve.kernels.program import LoadOptions
from tests.kernels.devices.opencl_devices import images, small_network


def main(number: str, bitstream: str, folder: str) -> None:
    """Load the hanging bitstream and ask it for an image."""
    options = FpgaOptions(
        bitstream=Path(bitstream), lease_folder=Path(folder), strict=True, run_deadline_s=600.0
    )
    program = FpgaDevice(number, options).load(small_network(), LoadOptions(threads=1))
    if isinstance(program, FpgaProgram):
        sys.stdout.write(f"{program.pid}\n")
        sys.stdout.flush()
        program.run(images(1))


if __name__ == "__main__":
    main(*sys.argv[1:])
