"""A command that is told to end cleans up after itself, and leaves the signals of whoever embeds it as they were."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.server.serve_process import run_here

from accelserve.server.cli.written_files import write_whole

HELD = """
import signal, sys
from accelserve.server.cli.termination import unwinding_when_terminated

with unwinding_when_terminated():
    try:
        print("ready", flush=True)
        signal.pause()
    finally:
        print("cleaning", flush=True)
        sys.stdin.readline()
        print("clean", flush=True)
"""


@contextmanager
def held(**settings: Any) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HELD]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **settings
    ) as process:
        try:
            assert said(process) == "ready"
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().rstrip()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_goes_through_every_finally(number: signal.Signals, code: int) -> None:
    with held() as process:
        process.send_signal(number)
        assert said(process) == "cleaning"
        assert process.communicate("go on\n", timeout=60)[0] == "clean\n"
        assert process.returncode == code


TWICE = """
import signal
from accelserve.server.cli.termination import unwinding_when_terminated

with unwinding_when_terminated():
    try:
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.raise_signal(signal.SIGTERM)
        print("clean")
"""


def test_the_second_signal_of_timeout_1_does_not_cut_the_cleaning_off() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TWICE], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (143, "clean\n", "")


def test_under_nohup_a_terminal_that_closes_is_of_no_concern() -> None:
    with held(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as process:
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        assert said(process) == "cleaning"
        process.communicate("go on\n", timeout=60)
        assert process.returncode == 143


def _own(_number: int, _frame: object) -> None:
    """A handler of the embedding program."""


@pytest.mark.parametrize("before", [signal.SIG_DFL, signal.SIG_IGN, _own])
@pytest.mark.parametrize("command", ["image", "models"])
def test_the_embedding_programs_handlers_stay(tmp_path: Path, before: Any, command: str) -> None:
    numbers = (signal.SIGTERM, signal.SIGHUP)
    kept = [signal.signal(number, before) for number in numbers]
    try:
        assert run_here(command, "list", f"--repository={tmp_path}").returncode == 0
        assert [signal.getsignal(number) for number in numbers] == [before, before]
    finally:
        for number, handler in zip(numbers, kept, strict=True):
            signal.signal(number, handler)


def test_a_program_that_started_a_server_in_vain_has_its_signals_back(tmp_path: Path) -> None:
    numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    assert run_here("serve", "--port=0", f"--model_base_path={tmp_path}/none").returncode == 1
    assert [signal.getsignal(number) for number in numbers] == before
    assert signal.set_wakeup_fd(-1) == -1


def test_a_file_that_was_being_written_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(partial: Path, text: str, encoding: str) -> None:
        partial.write_bytes(text.encode(encoding))
        sys.exit(143)

    monkeypatch.setattr(Path, "write_text", ended)
    with pytest.raises(SystemExit):
        write_whole(tmp_path / "report.json", "{}")
    assert list(tmp_path.iterdir()) == []
