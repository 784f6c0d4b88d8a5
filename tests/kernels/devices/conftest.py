from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from accelserve.kernels.devices.reference import ReferenceDevice
from accelserve.kernels.ir import Array
from accelserve.kernels.opencl.options import FpgaOptions
from accelserve.kernels.opencl.runtime.discovery import discover
from accelserve.kernels.opencl.runtime.hybrid import FpgaProgram
from accelserve.kernels.opencl.runtime.platforms import OpenClDevice
from accelserve.kernels.opencl.runtime.supervisor import FaultPolicy
from accelserve.kernels.program import Device, LoadOptions
from tests.kernels.devices.device_list import device_of, device_parameters
from tests.kernels.devices.opencl_devices import Clock, images, loaded, opencl_parameters, small_network


@pytest.fixture(scope="module", params=list(device_parameters()))
def device(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Device:
    """Each device in turn."""
    return device_of(request.param, tmp_path_factory.mktemp("leases"))


@pytest.fixture(scope="session")
def compiled_code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where compiled code is kept for the length of the session."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(params=list(opencl_parameters()))
def number(request: pytest.FixtureRequest) -> str:
    """An OpenCL device's number."""
    return str(request.param)


@pytest.fixture
def opencl(number: str) -> OpenClDevice:
    return discover()[int(number)]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def options(tmp_path: Path, clock: Clock) -> FpgaOptions:
    faults = FaultPolicy(faults_before_down=2, backoff_s=10.0, backoff_factor=3.0, backoff_limit_s=60.0)
    return FpgaOptions(lease_folder=tmp_path / "leases", strict=True, faults=faults, clock=clock)


@pytest.fixture
def program(number: str, options: FpgaOptions, compiled_code: Path) -> Iterator[FpgaProgram]:
    loaded_program = loaded(number, options, compiled_code)
    yield loaded_program
    loaded_program.close()


@pytest.fixture(scope="module")
def expected() -> Array:
    reference = ReferenceDevice().load(small_network(), LoadOptions())
    return reference.run(images(3))["scores"]
