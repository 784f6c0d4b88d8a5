"""Settings of every test."""

from __future__ import annotations

import math
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

OBJECT_CACHE = "ACCELSERVE_OBJECT_CACHE"

# Every test that compiles has the compiler's passes prove what they promise, also in the processes that it starts.
os.environ.setdefault("ACCELSERVE_CHECK_PASSES", "1")

# Whoever runs the tests may ignore them, as nohup and a shell's '&' do, and every process that a test starts would, too: what
# is handled is not handed down.
for _number in (signal.SIGHUP, signal.SIGINT):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, lambda *_: None)

# A first example compiles kernels, and machines are shared: elapsed time says nothing about correctness.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_configure(config: pytest.Config) -> None:
    """A function is compiled once in a run, by whichever process needs it first; nothing is left of earlier runs."""
    if OBJECT_CACHE not in os.environ:  # the workers of xdist have the environment of who starts them
        folder = os.environ[OBJECT_CACHE] = tempfile.mkdtemp(prefix="accelserve-objects-")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: begun last, they would keep one worker busy while the others have ended."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture
def compiles_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this test and its processes do not find in the caches that it names, they compile."""
    monkeypatch.delenv(OBJECT_CACHE)


@pytest.fixture
def socket_folder() -> Iterator[Path]:
    """For Unix sockets, whose paths have 107 bytes at most, wherever temporary files are."""
    with tempfile.TemporaryDirectory(prefix="sockets-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a slow machine the commands that this process runs say no more than elsewhere."""
    monkeypatch.setattr("accelserve.server.cli.progress._LINE_SECONDS", math.inf)
