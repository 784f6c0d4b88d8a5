"""What carries a service on this machine: a process of its own, or a container of docker or podman."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from accelserve.deployment.errors import EngineFailedError
from accelserve.deployment.service import USER
from accelserve.deployment.webservices.state import LOG_FILE, ServiceState

_LOOK_SECONDS = 0.05
_ENGINE_SECONDS = 120
_STAT_STATE, _STAT_STARTED = 0, 19  # of /proc/PID/stat, behind the name: proc(5)


def start_process(folder: Path, flags: Sequence[str]) -> tuple[int, int]:
    """Start a server that outlives this program; its id and when it began.

    Args:
        folder: that gets its log.
        flags: of ``accelserve serve``.
    """
    log = str(folder / LOG_FILE)
    command = [sys.executable, "-m", "accelserve.server.cli", "serve", *flags]
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    process = os.posix_spawn(sys.executable, command, os.environ, file_actions=actions, setsid=True)
    return process, _stat(process)[1]


def start_container(engine: str, name: str, image: str, ports: Sequence[int], flags: Sequence[str]) -> None:
    """Start a container that may do no more than serve; EngineFailedError."""
    command = ["run", "--detach", f"--name={name}", f"--user={USER}:{USER}", "--read-only", "--tmpfs=/tmp"]
    command += ["--cap-drop=all", "--security-opt=no-new-privileges"]
    command += [f"--publish=127.0.0.1:{port}:{port}" for port in ports]
    _run(f"starting '{name}' by {engine}", engine, *command, image, *flags)


def runs(state: ServiceState) -> bool:
    """Whether it is there at all; it may still load its model."""
    if state.runner == "process":
        return _same_process(state)
    done = _engine(state.runner, "container", "inspect", "--format", "{{.State.Running}}", state.container)
    return done.returncode == 0 and done.stdout.strip() == "true"


def stop(state: ServiceState, grace_seconds: float) -> None:
    """Let it finish what is in flight, then end it; nothing if it is gone. EngineFailedError."""
    if state.runner == "process":
        _stop_process(state, grace_seconds)
        return
    if has_container(state.runner, state.container):
        stop_container(state.runner, state.container, grace_seconds)


def has_container(engine: str, name: str) -> bool:
    """Whether an engine has a container of that name, running or not."""
    return _engine(engine, "container", "inspect", name).returncode == 0


def stop_container(engine: str, name: str, grace_seconds: float) -> None:
    """Stop a container and remove it; EngineFailedError."""
    doing = f"stopping '{name}' by {engine}"
    _run(doing, engine, "stop", f"--time={round(grace_seconds)}", name)
    _run(doing, engine, "rm", "--force", name)


def log_of(state: ServiceState | None, folder: Path) -> str:
    """What the server has said; empty if that is lost."""
    if state is not None and state.runner != "process":
        done = _engine(state.runner, "logs", state.container)
        return done.stdout + done.stderr
    try:
        return (folder / LOG_FILE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _stop_process(state: ServiceState, grace_seconds: float) -> None:
    until = time.monotonic() + grace_seconds
    for number in (signal.SIGTERM, signal.SIGKILL):
        if _same_process(state):
            os.kill(state.process, number)
        while _same_process(state) and (number == signal.SIGKILL or time.monotonic() < until):
            time.sleep(_LOOK_SECONDS)


def _same_process(state: ServiceState) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(state.process, os.WNOHANG)  # ours: collected, or it would be there for ever
    try:
        status, started = _stat(state.process)
    except OSError:
        return False
    return started == state.started and status != "Z"


def _stat(process: int) -> tuple[str, int]:
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return fields[_STAT_STATE], int(fields[_STAT_STARTED])


def _engine(engine: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - an engine of ours, without a shell
        [engine, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=_ENGINE_SECONDS,
    )


def _run(doing: str, engine: str, *arguments: str) -> None:
    done = _engine(engine, *arguments)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise EngineFailedError(doing, lines[-1] if lines else f"exit code {done.returncode}")
