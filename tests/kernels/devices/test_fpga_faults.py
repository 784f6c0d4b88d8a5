"""Whatever happens to the device, an accepted request is answered, with the same bytes."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from accelserve.kernels.ir import Array
from accelserve.kernels.opencl.bitstreams.driver_build import build_with_driver
from accelserve.kernels.opencl.engine.configuration import EMULATION
from accelserve.kernels.opencl.engine.source import EnginePath, render
from accelserve.kernels.opencl.options import FpgaOptions
from accelserve.kernels.opencl.runtime.hybrid import FpgaProgram
from accelserve.kernels.opencl.runtime.platforms import OpenClDevice
from tests.kernels.devices.opencl_devices import Clock, assert_answers, images, loaded

HANG = """
inline void hang(__global uchar* arena) {
  volatile __global int* never = (volatile __global int*)arena;
  while (never[0] != 0x7fffffff) never[0] = 0;
}
"""


def test_a_killed_process_is_answered_for_by_the_cpu_and_restarted(
    program: FpgaProgram, expected: Array
) -> None:
    assert_answers(program, expected)
    first = program.pid
    os.kill(first, signal.SIGKILL)
    assert_answers(program, expected)
    assert program.health.state.value == "recovering"
    assert (program.health.images, program.health.fallback_images, program.health.faults) == (3, 3, 1)
    assert_answers(program, expected)
    assert program.health.state.value == "up"
    assert program.health.restarts == 1
    assert program.pid != first


def test_no_request_is_lost_when_the_process_dies_under_load(program: FpgaProgram, expected: Array) -> None:
    answers: list[Array] = []
    begun, killed = threading.Barrier(5), threading.Event()

    def ask() -> None:
        begun.wait()
        answers.extend(program.run(images(3))["scores"] for _ in range(10))
        killed.wait()  # on a slow machine that may come after all of them
        answers.append(program.run(images(3))["scores"])

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    begun.wait()
    os.kill(program.pid, signal.SIGKILL)
    killed.set()
    for thread in threads:
        thread.join()
    assert len(answers) == 44
    assert all(np.array_equal(answer, expected) for answer in answers)
    assert program.health.faults >= 1


def test_a_process_that_stops_answering_is_ended_by_the_watchdog(
    number: str, options: FpgaOptions, compiled_code: Path, expected: Array
) -> None:
    program = loaded(number, replace(options, run_deadline_s=0.5), compiled_code)
    os.kill(program.pid, signal.SIGSTOP)
    assert_answers(program, expected)
    assert "did not answer" in program.health.last_error
    assert program.health.faults == 1
    program.close()


def hanging_bitstream(opencl: OpenClDevice, folder: Path) -> Path:
    """An engine that never finishes: a channel that never fills, or a loop where there are no channels."""
    path = EnginePath.CHANNELS if opencl.channels else EnginePath.FUSED
    source = render(EMULATION, path)
    if path is EnginePath.CHANNELS:
        source = source.replace("write_channel_intel(sum_stream, out);", "")
    else:
        source = source.replace(
            "__attribute__((max_global_work_dim(0)))", HANG + "__attribute__((max_global_work_dim(0)))"
        )
        source = source.replace(
            "for (int n = first; n < last; n++) {", "hang(arena); for (int n = first; n < last; n++) {"
        )
    build_with_driver(opencl, EMULATION, path, folder, source)
    return folder


def test_a_kernel_that_hangs_is_ended_by_the_watchdog_and_marked_down(
    number: str,
    opencl: OpenClDevice,
    options: FpgaOptions,
    clock: Clock,
    tmp_path: Path,
    expected: Array,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bitstream = hanging_bitstream(opencl, tmp_path / "hangs")
    program = loaded(number, replace(options, bitstream=bitstream, run_deadline_s=1.0), tmp_path)
    for _ in range(2):
        assert_answers(program, expected)
    assert program.health.state.value == "down"
    assert (program.health.faults, program.health.restarts) == (2, 1)
    clock.now = 9.9
    assert_answers(program, expected)
    assert program.health.faults == 2, "it was tried before its time"
    clock.now = 10.0
    assert_answers(program, expected)
    assert program.health.faults == 3, "it was not tried again"
    clock.now = 39.9  # the second wait is three times the first
    assert_answers(program, expected)
    assert program.health.faults == 3
    assert program.health.images == 0
    lines = [r.getMessage() for r in caplog.records if "the CPU answers in its place" in r.getMessage()]
    assert [" is recovering: " in line for line in lines] == [True, False], "a line for each change, no more"
    assert " is down: " in lines[1]
    program.close()


def test_a_device_that_vanishes_is_marked_down_and_used_again_when_it_is_back(
    program: FpgaProgram, clock: Clock, expected: Array, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "no-drivers").mkdir()
    with monkeypatch.context() as patch:
        # The loader looks for drivers where this says: nowhere.
        patch.setenv("OCL_ICD_VENDORS", str(tmp_path / "no-drivers" / "none.icd"))
        os.kill(program.pid, signal.SIGKILL)
        for _ in range(2):
            assert_answers(program, expected)
        assert program.health.state.value == "down"
        assert "not there any more" in program.health.last_error
    clock.now = 10.0
    assert_answers(program, expected)
    assert program.health.state.value == "up"


def test_the_device_dies_with_the_server_even_while_a_kernel_hangs(
    number: str, opencl: OpenClDevice, tmp_path: Path
) -> None:
    bitstream = hanging_bitstream(opencl, tmp_path / "hangs")
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.kernels.devices.hanging_server", number, str(bitstream), str(tmp_path)],
        stdout=subprocess.PIPE,
    )
    assert server.stdout is not None
    device_process = int(server.stdout.readline())
    watch = os.pidfd_open(device_process)
    server.kill()
    server.wait()
    server.stdout.close()
    ended, _, _ = select.select([watch], [], [], 240)  # readable once the process is gone
    os.close(watch)
    assert ended, f"process {device_process} outlived its server"
