"""One model at a time: who asks second is refused, waits, takes over, or goes to the CPU."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from accelserve.kernels.devices.fpga import FpgaDevice
from accelserve.kernels.errors import DeviceError
from accelserve.kernels.ir import Array
from accelserve.kernels.opencl.errors import DeviceHeldError, LeaseFolderError
from accelserve.kernels.opencl.options import FpgaOptions, parse_detail
from accelserve.kernels.opencl.runtime.hybrid import FpgaProgram
from accelserve.kernels.opencl.runtime.lease import LeasePolicy, acquire, lease_holder
from accelserve.kernels.opencl.runtime.platforms import OpenClDevice
from accelserve.kernels.program import LoadOptions
from tests.kernels.devices.opencl_devices import assert_answers, images, loaded, small_network


def here(process: int) -> str:
    """How a process of this host is named, as a pattern."""
    return re.escape(f"(process {process} on {socket.gethostname()})")


def test_refuse_names_the_holder(program: FpgaProgram, number: str, options: FpgaOptions) -> None:
    device = FpgaDevice(number, replace(options, policy=LeasePolicy.REFUSE))
    with pytest.raises(DeviceHeldError, match=rf"held by small/1 {here(os.getpid())}") as refused:
        device.load(small_network(), LoadOptions(threads=1, model="other/1"))
    assert refused.value.device == f"fpga:{number}"


def test_models_of_one_server_follow_each_other_whatever_is_done_about_others(
    program: FpgaProgram, number: str, options: FpgaOptions, compiled_code: Path
) -> None:
    """Judge: docs/fpga.md. A new version must not wait for the old one, which is unloaded after it."""
    newcomer = loaded(number, replace(options, others=LeasePolicy.QUEUE), compiled_code)
    assert (newcomer.health.state.value, program.health.state.value) == ("up", "gone")
    newcomer.close()


def test_cpu_runs_the_newcomer_on_the_cpu(
    program: FpgaProgram, number: str, options: FpgaOptions, compiled_code: Path, expected: Array
) -> None:
    device = FpgaDevice(number, replace(options, policy=LeasePolicy.CPU))
    newcomer = device.load(small_network(), LoadOptions(threads=1, cache=compiled_code))
    assert newcomer.description.startswith("cpu")
    assert_answers(newcomer, expected)
    newcomer.close()


def test_swap_sends_the_holder_to_the_cpu(
    program: FpgaProgram, number: str, options: FpgaOptions, compiled_code: Path, expected: Array
) -> None:
    newcomer = loaded(number, replace(options, policy=LeasePolicy.SWAP), compiled_code)
    assert_answers(newcomer, expected)
    assert_answers(program, expected)
    assert (newcomer.health.images, newcomer.health.fallback_images) == (3, 0)
    assert (program.health.state.value, program.health.fallback_images) == ("gone", 3)
    newcomer.close()


def test_queue_waits_for_the_holder(
    program: FpgaProgram, number: str, options: FpgaOptions, compiled_code: Path, expected: Array
) -> None:
    arrived: list[FpgaProgram] = []
    patient = replace(options, policy=LeasePolicy.QUEUE)
    waiting = threading.Thread(target=lambda: arrived.append(loaded(number, patient, compiled_code)))
    waiting.start()
    assert_answers(program, expected)
    assert not arrived
    program.close()
    waiting.join()
    assert_answers(arrived[0], expected)
    arrived[0].close()


def test_queue_gives_up_in_the_end(program: FpgaProgram, number: str, options: FpgaOptions) -> None:
    device = FpgaDevice(number, replace(options, policy=LeasePolicy.QUEUE, queue_timeout_s=0.2))
    with pytest.raises(DeviceHeldError):
        device.load(small_network(), LoadOptions(threads=1))


def test_closing_gives_the_device_back(
    number: str, options: FpgaOptions, compiled_code: Path, expected: Array
) -> None:
    refusing = replace(options, policy=LeasePolicy.REFUSE)
    for _ in range(2):
        program = loaded(number, refusing, compiled_code)
        assert_answers(program, expected)
        program.close()
        program.close()
        with pytest.raises(DeviceError, match="closed"):
            program.run(images(1))


def test_a_failed_load_gives_the_device_back(
    number: str, options: FpgaOptions, compiled_code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = replace(options, policy=LeasePolicy.REFUSE)
    with monkeypatch.context() as patch:
        patch.setattr("accelserve.kernels.devices.fpga.render", lambda *_: "#error no\n")
        with pytest.raises(DeviceError):
            loaded(number, refusing, compiled_code)
    loaded(number, refusing, compiled_code).close()


def test_the_lease_ends_with_a_crash_of_its_holder(opencl: OpenClDevice, tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-m", "tests.kernels.devices.lease_holder", str(opencl.index), str(tmp_path)],
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(DeviceHeldError, match=rf"another server/1 {here(holder.pid)}"):
        acquire(opencl, "we", tmp_path)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    acquire(opencl, "we", tmp_path).release()


def test_swap_refuses_the_model_of_another_server(
    number: str, options: FpgaOptions, opencl: OpenClDevice
) -> None:
    """As docs/fpga.md says: one server's model is not for another to send away."""
    command = [sys.executable, "-m", "tests.kernels.devices.lease_holder", str(opencl.index)]
    holder = subprocess.Popen([*command, str(options.lease_folder)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == b"held\n"
        device = FpgaDevice(number, replace(options, policy=LeasePolicy.SWAP))
        with pytest.raises(DeviceHeldError, match=rf"held by another server/1 {here(holder.pid)}"):
            device.load(small_network(), LoadOptions(threads=1, model="other/1"))
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


@pytest.mark.parametrize("mode", [0o700, 0o770, 0o777], ids=oct)
def test_whoever_may_use_the_folder_may_use_its_locks(
    opencl: OpenClDevice, tmp_path: Path, mode: int
) -> None:
    """Containers that share a device may run as different users."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(mode)
    lease = acquire(opencl, "we", folder)
    assert lease.path.stat().st_mode & 0o777 == mode & 0o666
    assert lease_holder(opencl, folder) == f"we (process {os.getpid()} on {socket.gethostname()})"
    lease.release()
    assert lease_holder(opencl, folder) == ""


def test_a_lease_folder_that_cannot_be_used_is_an_error_and_no_reason_for_the_cpu(
    number: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    device = FpgaDevice(number, FpgaOptions(lease_folder=tmp_path / "file" / "leases"))
    with pytest.raises(LeaseFolderError, match="file/leases: Not a directory"):
        device.load(small_network(), LoadOptions(threads=1))


def test_options_are_written_after_the_device() -> None:
    index, options = parse_detail("1,bitstream=/some/folder,policy=queue,path=channels,queue_timeout_s=2.5")
    assert index == "1"
    assert options.bitstream == Path("/some/folder")
    assert (options.policy, options.path.value, options.queue_timeout_s) == (
        LeasePolicy.QUEUE,
        "channels",
        2.5,
    )


@pytest.mark.parametrize(
    "detail", ["x", "0,1", "policy=none", "others=swap", "queue_timeout_s=soon", "speed=9"]
)
def test_options_that_mean_nothing_are_refused_in_words(detail: str) -> None:
    with pytest.raises(DeviceError, match="--device fpga:"):
        FpgaDevice(detail)
