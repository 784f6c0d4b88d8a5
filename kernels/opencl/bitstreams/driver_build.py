"""Bitstreams from a driver that compiles by itself: the emulator's binary stands in for a board's ``.aocx``."""

from __future__ import annotations

from pathlib import Path

from accelserve.kernels.opencl.engine.configuration import EngineConfiguration
from accelserve.kernels.opencl.engine.descriptor import interface_version
from accelserve.kernels.opencl.engine.manifest import Manifest, digest, write_bitstream
from accelserve.kernels.opencl.engine.source import EnginePath, render
from accelserve.kernels.opencl.runtime.messages import SourceProgram, Start
from accelserve.kernels.opencl.runtime.platforms import DeviceKind, OpenClDevice
from accelserve.kernels.opencl.runtime.process import DeviceProcess

BUILD_DEADLINE_S = 600.0
BINARY_NAME = "engine.bin"


def build_with_driver(
    device: OpenClDevice,
    configuration: EngineConfiguration,
    path: EnginePath,
    folder: Path,
    source: str | None = None,
) -> Manifest:
    """Compile the engine with the device's own driver and write the bitstream's folder.

    Args:
        device: one that compiles.
        configuration: the engine's constants.
        path: its layout.
        folder: made if it is not there.
        source: OpenCL C to compile instead of ours; it must have our kernels.

    Raises:
        BuildError: the driver refused the source.
        DeviceHungError, DeviceLostError: the driver did not survive it.
    """
    text = render(configuration, path) if source is None else source
    start = Start(device, SourceProgram(text, path, None), path, in_turn=True, segments=(), exchange=-1)
    process = DeviceProcess(start, None, BUILD_DEADLINE_S)
    try:
        binary = process.binary(BUILD_DEADLINE_S)
    finally:
        process.end()
    manifest = Manifest(
        file=BINARY_NAME,
        sha256=digest(binary.content),
        part=device.platform,
        emulated=device.kind is not DeviceKind.BOARD,
        interface=interface_version(),
        path=path,
        configuration=configuration,
        built_with=binary.driver,
    )
    write_bitstream(folder, binary.content, manifest)
    return manifest
