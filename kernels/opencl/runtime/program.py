"""The engine as a program on a device: from a verified bitstream, or compiled and cached."""

from __future__ import annotations

import contextlib
import hashlib
import warnings
from pathlib import Path
from typing import Any

import pyopencl as cl

from accelserve.kernels.file_cache import read_cached, write_cached
from accelserve.kernels.opencl.engine.manifest import Bitstream
from accelserve.kernels.opencl.engine.source import KERNELS
from accelserve.kernels.opencl.errors import BitstreamError, BuildError
from accelserve.kernels.opencl.runtime.messages import SourceProgram

BUILD_OPTIONS = ("-cl-std=CL1.2",)
"""No option that lets the compiler fuse or reorder float operations: the bytes depend on every rounding."""


def make_program(context: cl.Context, wanted: SourceProgram | Bitstream) -> cl.Program:
    """The program with its kernels, ready to launch.

    Raises:
        BuildError: the source does not compile.
        BitstreamError: the driver refuses the bitstream, or kernels are missing from it.
    """
    if isinstance(wanted, SourceProgram):
        return _from_source(context, wanted)
    try:
        program = _from_binary(context, wanted.binary)
        present = {kernel.function_name for kernel in program.all_kernels()}
    except cl.Error as error:
        raise BitstreamError(wanted.folder, f"the device's driver refuses it ({error})") from error
    missing = set(KERNELS[wanted.manifest.path]) - present
    if missing:
        raise BitstreamError(wanted.folder, f"it lacks the kernels {sorted(missing)}")
    return program


def binary_of(program: cl.Program) -> bytes:
    """The compiled form for the program's one device."""
    binaries: Any = program.get_info(cl.program_info.BINARIES)
    return bytes(binaries[0])


def _from_source(context: cl.Context, wanted: SourceProgram) -> cl.Program:
    file = _cache_file(context.devices[0], wanted)
    binary = None if file is None else read_cached(file)
    if binary is not None:
        with contextlib.suppress(cl.Error):  # a cache may be wrong; the source never is
            return _from_binary(context, binary)
    try:
        program = _quietly_built(cl.Program(context, wanted.text))
    except cl.Error as error:
        raise BuildError(str(error)) from error
    if file is not None:
        write_cached(file, binary_of(program))
    return program


def _from_binary(context: cl.Context, binary: bytes) -> cl.Program:
    return _quietly_built(cl.Program(context, context.devices, [binary]))


def _quietly_built(program: cl.Program) -> cl.Program:
    """Built, without pyopencl's warnings about the compiler's warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cl.CompilerWarning)
        program.build(options=list(BUILD_OPTIONS))
    return program


def _cache_file(device: cl.Device, wanted: SourceProgram) -> Path | None:
    if wanted.cache is None:
        return None
    driver = (
        device.platform.name,
        device.platform.version,
        device.name,
        device.version,
        device.driver_version,
    )
    key = hashlib.sha256("\n".join([*driver, *BUILD_OPTIONS, wanted.text]).encode()).hexdigest()
    return wanted.cache / "opencl" / f"{key[:32]}.bin"
