from __future__ import annotations

from pathlib import Path

import pytest

from accelserve.kernels.devices.base import Device
from tests.kernels.devices.device_list import device_of, device_parameters


@pytest.fixture(scope="module", params=list(device_parameters()))
def device(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Device:
    """Each device in turn."""
    return device_of(request.param, tmp_path_factory.mktemp("leases"))


@pytest.fixture(scope="session")
def compiled_code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where compiled code is kept for the length of the session."""
    return tmp_path_factory.mktemp("compiled")
