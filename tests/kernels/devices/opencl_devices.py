"""OpenCL devices for tests of the FPGA device itself: PoCL, and the emulator where it is installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from accelserve.kernels.devices.fpga import FpgaDevice
from accelserve.kernels.ir import Array
from accelserve.kernels.opencl.options import FpgaOptions
from accelserve.kernels.opencl.runtime.discovery import discover
from accelserve.kernels.opencl.runtime.hybrid import FpgaProgram
from accelserve.kernels.opencl.runtime.platforms import DeviceKind
from accelserve.kernels.program import LoadOptions, Lowered, Program
from tests.kernels.devices.comparison import assert_same
from tests.kernels.devices.device_list import NO_EMULATOR, emulator_installed
from tests.kernels.devices.integer_graphs import IntegerGraphBuilder

if TYPE_CHECKING:
    from _pytest.mark.structures import ParameterSet


def opencl_parameters(*, channels: bool = False) -> Iterator[ParameterSet]:
    """Test parameters: each OpenCL device's number; only of those with channels, if so asked."""
    for device in discover():
        if channels and not device.channels:
            continue
        if device.kind is DeviceKind.OTHER:
            yield pytest.param(str(device.index), id="other")
        else:
            yield pytest.param(str(device.index), id="accelerator", marks=pytest.mark.fpga)
    if not emulator_installed():
        yield pytest.param(
            "", id="accelerator", marks=(pytest.mark.fpga, pytest.mark.skip(reason=NO_EMULATOR))
        )


def small_network(seed: int = 0) -> Lowered:
    """Two convolutions and a pool over 8x8 images of three channels."""
    g = IntegerGraphBuilder(seed)
    x = g.conv(g.input(8, 8, 3), 12, 3, padding=1)
    return Lowered(g.graph(scores=g.conv(g.average(x, (8, 8)), 10, float_result=True)), {})


def images(count: int) -> dict[str, Array]:
    """A batch for ``small_network``."""
    return {"in0": np.random.default_rng(9).integers(0, 256, (count, 8, 8, 3)).astype(np.uint8)}


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def loaded(number: str, options: FpgaOptions, cache: Path) -> FpgaProgram:
    program = FpgaDevice(number, options).load(
        small_network(), LoadOptions(threads=1, cache=cache, model="small/1")
    )
    assert isinstance(program, FpgaProgram)
    return program


def assert_answers(program: Program, expected: Array) -> None:
    assert_same(program.run(images(3))["scores"], expected, "scores")
