from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import os, signal, sys, threading
from accelserve.server.cli.stop_signals import StopSignals

stop = StopSignals()
stop.hold()

def elsewhere():
    # The main thread blocks the signal for itself, so that the system hands it to this one.
    os.kill(os.getpid(), signal.Signals[sys.argv[1]])

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
other = threading.Thread(target=lambda: (signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.Signals[sys.argv[1]]]), elsewhere()))
other.start()
print("reload" if stop.wait() else "end")
other.join()
"""


@pytest.mark.parametrize(("name", "meaning"), [("SIGTERM", "end"), ("SIGINT", "end"), ("SIGHUP", "reload")])
def test_a_signal_that_another_thread_receives_wakes_the_main_one(name: str, meaning: str) -> None:
    command = [sys.executable, "-c", PROGRAM, name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.stdout.strip() == meaning, done.stderr
