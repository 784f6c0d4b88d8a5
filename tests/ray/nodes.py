"""Nodes of a Ray cluster, each a ``ray start`` of its own, told apart from everything else on the machine by a mark."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path

MARK = "ACCELSERVE_TEST_NODE"


def marked(mark: str) -> dict[int, str]:
    """The processes in whose environment the mark stands, by id, with their command lines."""
    found = {}
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            environment = (process / "environ").read_bytes()
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it ended, or is somebody else's
            continue
        if command and f"{MARK}={mark}".encode() in environment:
            found[int(process.name)] = command
    return found


def kill(mark: str) -> None:
    """End every process that has the mark, at once; returns when none is left."""
    pause = threading.Event()
    while left := marked(mark):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        pause.wait(0.01)


class Node:
    """One node, from ``ray start`` until ``end``.

    Args:
        arguments: of ``ray start``.
        environment: of all its processes.
    """

    def __init__(self, *arguments: str, environment: Mapping[str, str]) -> None:
        self.mark = uuid.uuid4().hex
        self._process = subprocess.Popen(
            [Path(sys.executable).with_name("ray"), "start", "--block", *arguments],
            env={**os.environ, **environment, MARK: self.mark},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._started = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self._started.wait(240), "".join(self.lines)
        assert self._process.poll() is None, "".join(self.lines)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line)
            if "Ray runtime started" in line:
                self._started.set()
        self._started.set()

    def replicas(self) -> dict[int, str]:
        """The processes of our replicas on this node."""
        return {
            pid: command for pid, command in marked(self.mark).items() if "ServeReplica:accelserve" in command
        }

    def end(self) -> None:
        """Kill it: what runs on it has no warning."""
        kill(self.mark)
        self._process.kill()
        self._process.wait()
        self._reader.join()
        print("".join(self.lines))  # a test that failed shows them
        assert self._process.stdout is not None
        self._process.stdout.close()
