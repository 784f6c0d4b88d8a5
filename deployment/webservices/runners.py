"""What carries a service on this machine: a process of its own, or a container of docker or podman."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from accelserve.deployment.errors import EngineFailedError
from accelserve.deployment.programs import ask, call, last_words
from accelserve.deployment.service import SERVICE_LABEL, USER
from accelserve.deployment.webservices.state import LOG_FILE, ServiceState

_LOOK_SECONDS = 0.05
_ENGINE_SECONDS = 120.0
_SPARE_SECONDS = 60.0
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


def start_container(
    state: ServiceState, owner: str, image: str, mounts: Mapping[Path, str], flags: Sequence[str]
) -> None:
    """Start a container that may do no more than serve.

    Args:
        state: with the engine, the container's name and its ports.
        owner: whose container it is, for its label.
        image: that is run.
        mounts: files of this machine, and where the container reads them.
        flags: of ``accelserve serve``.

    Raises:
        EngineFailedError: the engine refuses; the container may be there nevertheless.
    """
    engine, name = state.runner, state.container
    command = [engine, "run", "--detach", f"--name={name}", f"--label={SERVICE_LABEL}={owner}"]
    command += [f"--user={USER}:{USER}", "--read-only", "--tmpfs=/tmp"]
    command += ["--cap-drop=all", "--security-opt=no-new-privileges"]
    command += [f"--volume={path}:{target}:ro,z" for path, target in mounts.items()]
    command += [f"--publish=127.0.0.1:{port}:{port}" for port in (state.grpc_port, state.rest_port)]
    command += [f"--env=ACCELSERVE_HEALTHCHECK_ADDRESS={state.own_address}"]
    call(f"starting '{name}' by {engine}", [*command, image, *flags], seconds=_ENGINE_SECONDS)


def runs(state: ServiceState, owner: str) -> bool:
    """Whether it is there at all; it may still load its model. EngineFailedError if its engine cannot be asked."""
    if state.runner == "process":
        return _same_process(state)
    return _container(state.runner, state.container) == (owner, "true")


def stop(state: ServiceState, owner: str, grace_seconds: float) -> None:
    """Let it finish what is in flight, then end it; nothing if it is gone. EngineFailedError."""
    if state.runner == "process":
        _stop_process(state, grace_seconds)
        return
    stop_container(state.runner, state.container, owner, grace_seconds)


def stop_container(engine: str, name: str, owner: str, grace_seconds: float) -> bool:
    """Stop a container and remove it, if there is one of that name and that owner; whether there was. EngineFailedError."""
    there = _container(engine, name)
    if there is None or there[0] != owner:
        return False
    doing = f"stopping '{name}' by {engine}"
    if there[1] == "true":
        stopping = [engine, "stop", f"--time={round(grace_seconds)}", name]
        call(doing, stopping, seconds=grace_seconds + _SPARE_SECONDS)
    call(doing, [engine, "rm", "--force", name], seconds=_ENGINE_SECONDS)
    return True


def _container(engine: str, name: str) -> tuple[str, str] | None:
    """Whose a container is, and whether it runs, ``true`` or ``false``; None if the engine has none of that name.

    Raises:
        EngineFailedError: it does not answer, which is no reason to take the container for gone.
    """
    wanted = f'{{{{index .Config.Labels "{SERVICE_LABEL}"}}}} {{{{.State.Running}}}}'
    done = ask([engine, "container", "inspect", "--format", wanted, name], seconds=_ENGINE_SECONDS)
    if done.returncode != 0:
        if "no such container" in done.stderr.lower():
            return None
        raise EngineFailedError(f"looking for '{name}' by {engine}", last_words(done))
    owner, _, running = done.stdout.strip("\n").rpartition(" ")
    return owner, running


def log_of(state: ServiceState | None, folder: Path) -> str:
    """What the server has said; empty if that is lost."""
    if state is not None and state.runner != "process":
        done = ask([state.runner, "logs", state.container], seconds=_ENGINE_SECONDS)
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
