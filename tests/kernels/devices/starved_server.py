"""A server with little memory: ``python -m tests.kernels.devices.starved_server NUMBER FOLDER``.

The device believes it has the machine's memory; the limit, which its process inherits, says otherwise.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import numpy as np

from accelserve.kernels.devices.fpga import FpgaDevice
from accelserve.kernels.ir import DType, Graph, Node, QLookup, TensorType
from accelserve.kernels.opencl.errors import DeviceMemoryError
from accelserve.kernels.opencl.options import FpgaOptions
from accelserve.kernels.opencl.runtime.discovery import discover
from accelserve.kernels.program import LoadOptions, Lowered

SIDE = 12000
LIMIT_BYTES = 700 << 20


def main(number: str, folder: str) -> None:
    """Load a network of 1.1 GB, and write the error."""
    x = TensorType((1, SIDE, SIDE, 2), DType.U8)
    table = np.arange(256, dtype=np.uint8)
    graph = Graph({"x": x}, (Node("l", QLookup(), ("x", "table"), "y"),), {"table": table}, {"y": "y"})
    discover()
    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT_BYTES, LIMIT_BYTES))
    device = FpgaDevice(number, FpgaOptions(lease_folder=Path(folder), strict=True))
    try:
        device.load(Lowered(graph, {}), LoadOptions(threads=1))
    except DeviceMemoryError as error:
        sys.stdout.write(f"{error}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
