"""A server as a process: started until it is ready, weighed, and ended with everything that it started."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from accelserve.loadgen.errors import LoadError
from accelserve.loadgen.plan import Target
from accelserve.loadgen.preflight import ask_once
from benchmarks.owned_processes import running, stat_of

_TICKS = os.sysconf("SC_CLK_TCK")
_MEGA = 1e6
_END_SECONDS = 15.0
_LOOK_SECONDS = 0.1
_GONE_SECONDS = 0.02


class StartError(RuntimeError):
    """A server that does not begin to answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """How a server is started.

    Attributes:
        words: of its command line.
        environment: variables besides ours.
        target: whom to ask; its address is completed with the port that the log names, if it ends with ``:0``.
        log: file for what it prints.
    """

    words: Sequence[str]
    environment: Mapping[str, str]
    target: Target
    log: Path


def free_port() -> int:
    """A port that nobody listens on now, for servers which cannot choose one themselves."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


class Running:
    """A server that answers.

    Attributes:
        target: whom to ask.
        start_seconds: from the start of the process until its first answer.
    """

    def __init__(self, command: Command, first: bytes, patience: float) -> None:
        """Start it and ask until it answers.

        Args:
            command: what to start.
            first: a picture.
            patience: seconds.

        Raises:
            StartError: it ended, or has no answer by then; the sentence has the end of its log.
        """
        command.log.parent.mkdir(parents=True, exist_ok=True)
        self._log = command.log
        began = time.monotonic()
        # It ends with us, whatever becomes of us.
        bound = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
        with command.log.open("wb") as log:
            self._process = subprocess.Popen(
                [*bound, *command.words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **command.environment},
                start_new_session=True,
            )
        try:
            self.target = self._answering(command.target, first, began + patience)
        except BaseException:
            self.close()
            raise
        self.start_seconds = time.monotonic() - began

    def _answering(self, target: Target, first: bytes, end: float) -> Target:
        why = "it says no port"
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise StartError(f"it ended with code {self._process.returncode}: {self._last_words()}")
            complete = self._with_port(target)
            if complete is not None:
                try:
                    ask_once(complete, [first])
                except LoadError as error:
                    why = str(error)
                else:
                    return complete
            time.sleep(_LOOK_SECONDS)
        raise StartError(f"no answer in time: {why}; {self._last_words()}")

    def _with_port(self, target: Target) -> Target | None:
        """The target, once its port is known and somebody listens there."""
        if target.address.endswith(":0"):
            found = re.search(
                rb"^(?:ready |.*gRPC ModelServer at \S+:)(\d+)", self._log.read_bytes(), re.MULTILINE
            )
            if not found:
                return None
            target = replace(target, address=f"{target.address[:-1]}{int(found[1])}")
        host, _, port = target.address.rpartition("//")[2].rpartition(":")
        with socket.socket() as asking:
            return target if asking.connect_ex((host, int(port))) == 0 else None

    def _last_words(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return " / ".join(line.strip() for line in lines[-3:])[-400:] or "its log is empty"

    def cpu_seconds(self) -> float:
        """Processor time of the process and of all that it started, user and system."""
        return sum(_ticks(pid) for pid in self._processes()) / _TICKS

    def memory_mb(self) -> float:
        """Proportional set size (PSS) of all its processes, MB of 10**6 bytes: what is shared counts once."""
        return sum(_pss(pid) for pid in self._processes()) / _MEGA

    def _processes(self) -> Iterator[int]:
        return processes_of(self._process.pid)

    def close(self) -> None:
        """End it, then whatever is left of its session."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        end_session(self._process.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def processes_of(session: int) -> Iterator[int]:
    """The ids of a session's processes, without those that have ended and wait to be collected."""
    return (pid for pid, fields in running() if int(fields[3]) == session)


def end_session(session: int) -> None:
    """Kill what is left of a session, and return when it is gone."""
    end = time.monotonic() + _END_SECONDS
    while (left := list(processes_of(session))) and time.monotonic() < end:
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_GONE_SECONDS)


def run_to_the_end(words: Sequence[str]) -> int:
    """Run a program that starts others; returns its code. None of them is left, whatever happens here meanwhile."""
    process = subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        return process.wait()
    finally:
        end_session(process.pid)
        process.wait()


def _ticks(pid: int) -> int:
    fields = stat_of(pid)
    return int(fields[11]) + int(fields[12]) if fields else 0


def _pss(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
