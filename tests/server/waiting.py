"""Waiting for what a server is about to do; a test's own timeout ends a wait for what never comes."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any


def until(holds: Callable[[], bool]) -> None:
    """Return once it holds."""
    pause = threading.Event()
    while not holds():
        pause.wait(0.001)


def until_or_ended(holds: Callable[[], bool], process: subprocess.Popen[Any]) -> None:
    """As ``until``, but a process that ends meanwhile is waited for no longer: what it said tells why."""
    until(lambda: process.poll() is not None or holds())


def waiting_images(server: SimpleNamespace) -> int:
    """How many images of the model ``colour`` have been let in and are not answered."""
    return int(server.server.predictor.scheduler.gate.waiting_images("colour"))


def queued_images(server: SimpleNamespace) -> int:
    """How many images wait for the device, decoded."""
    scheduler = server.server.predictor.scheduler
    with scheduler._lock:
        return sum(queue.images for queue in scheduler._queues.values())
