"""What a container's first process owes the others: their signals passed on, their orphans collected."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

# A subreaper adopts the orphans of its descendants, as process 1 does.
PROGRAM = """
import ctypes, os, signal, sys, time
from accelserve.server.cli.first_process import fork_and_collect
assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0
first = os.getpid()
fork_and_collect()
for _ in range(20):
    if os.fork() == 0:         # a child ...
        if os.fork() == 0:     # ... whose own child outlives it
            os._exit(0)
        os._exit(0)
for _ in range(20):
    os.wait()
def parent(pid):
    return int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
def orphans():             # running or dead: the first process has adopted them and not collected them yet
    found = 0
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                found += parent(name) == first
            except OSError:
                continue
    return found
while orphans():
    pass
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
signal.signal(signal.SIGHUP, lambda *_: print("again", flush=True))
print("ready", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture
def process() -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True)


def output(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout


def test_orphans_are_collected_and_signals_are_passed_on(process: subprocess.Popen[str]) -> None:
    with process:
        assert output(process).readline() == "ready\n"  # which comes after the last orphan is gone
        process.send_signal(signal.SIGHUP)
        assert output(process).readline() == "again\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(240) == 7


def test_a_killed_server_is_told_by_the_exit_code(process: subprocess.Popen[str]) -> None:
    with process:
        assert output(process).readline() == "ready\n"
        with Path(f"/proc/{process.pid}/task/{process.pid}/children").open() as children:
            (child,) = children.read().split()
        subprocess.run(["kill", "-9", child], check=True, timeout=240)
        assert process.wait(240) == 128 + signal.SIGKILL
