"""Which device a name means, and what happens where there is none."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from accelserve.kernels.devices.auto import AutoDevice
from accelserve.kernels.devices.discovery import open_device
from accelserve.kernels.devices.fpga import FpgaDevice
from accelserve.kernels.errors import DeviceError
from accelserve.kernels.ir import Array
from accelserve.kernels.opencl.engine.source import EnginePath
from accelserve.kernels.opencl.errors import NoDeviceError
from accelserve.kernels.opencl.options import FpgaOptions
from accelserve.kernels.opencl.runtime.discovery import choose, discover
from accelserve.kernels.opencl.runtime.platforms import DeviceKind, OpenClDevice
from accelserve.kernels.program import LoadOptions
from tests.kernels.devices.opencl_devices import assert_answers, loaded, small_network


def described(index: int, kind: DeviceKind) -> OpenClDevice:
    return OpenClDevice(index, kind, "platform", f"device {index}", "1", 0, True, True, 2**30, 2**28)


def test_fpga_means_the_first_board_or_emulator() -> None:
    devices = [described(0, DeviceKind.EMULATOR), described(1, DeviceKind.OTHER)]
    assert choose("fpga", devices).index == 0
    assert choose("fpga:1", devices).index == 1


@pytest.mark.parametrize("selector", ["fpga", "fpga:7"])
def test_a_device_that_is_not_there_is_an_error_that_lists_what_is(selector: str) -> None:
    with pytest.raises(NoDeviceError, match="device 0"):
        choose(selector, [described(0, DeviceKind.OTHER)])


def test_without_drivers_nothing_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCL_ICD_VENDORS", str(tmp_path / "none.icd"))
    assert discover() == ()


def test_without_a_device_the_model_runs_on_the_cpu_with_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    compiled_code: Path,
    expected: Array,
) -> None:
    monkeypatch.setenv("OCL_ICD_VENDORS", str(tmp_path / "none.icd"))
    device = open_device("fpga")
    with caplog.at_level(logging.WARNING):
        program = device.load(small_network(), LoadOptions(threads=1, cache=compiled_code, model="small/1"))
    assert program.description.startswith("cpu")
    assert_answers(program, expected)
    program.close()
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("accelserve")]
    assert len(lines) == 1
    assert lines[0].startswith("small/1 runs on the CPU: --device fpga: no FPGA or FPGA emulator here")
    assert lines[0].endswith("pip install 'accelserve[fpga-emulator]'")


def test_auto_takes_the_cpu_where_there_is_no_board_and_says_why(
    caplog: pytest.LogCaptureFixture, compiled_code: Path
) -> None:
    with caplog.at_level(logging.INFO):
        program = open_device("auto").load(small_network(), LoadOptions(threads=1, cache=compiled_code))
    assert program.description.startswith("cpu")
    assert "there is no FPGA board here" in caplog.text
    program.close()


def test_auto_takes_a_device_that_the_model_fits(
    opencl: OpenClDevice, tmp_path: Path, compiled_code: Path, expected: Array
) -> None:
    device = AutoDevice(f"lease_folder={tmp_path}", kinds=[opencl.kind])
    program = device.load(small_network(), LoadOptions(threads=1, cache=compiled_code))
    assert program.description.startswith(f"fpga {opencl.name}")
    assert_answers(program, expected)
    program.close()


def test_auto_passes_over_a_device_that_fails(
    opencl: OpenClDevice, tmp_path: Path, compiled_code: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "empty").mkdir()
    device = AutoDevice(f"bitstream={tmp_path / 'empty'}", kinds=[opencl.kind])
    with caplog.at_level(logging.INFO):
        program = device.load(small_network(), LoadOptions(threads=1, cache=compiled_code))
    assert program.description.startswith("cpu")
    assert "there is no manifest.json" in caplog.text
    program.close()


def test_the_channel_path_is_refused_where_there_are_no_channels(
    number: str, opencl: OpenClDevice, options: FpgaOptions, compiled_code: Path, expected: Array
) -> None:
    channels = replace(options, path=EnginePath.CHANNELS)
    if opencl.channels:
        program = loaded(number, channels, compiled_code)
        assert_answers(program, expected)
        program.close()
        return
    with pytest.raises(DeviceError, match="has no channels"):
        FpgaDevice(number, channels).load(small_network(), LoadOptions(threads=1))
