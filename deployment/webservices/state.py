"""What this machine remembers of a service that it runs: a folder with its state, its log, and its model if it has one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

import msgspec

from accelserve.deployment.service import LOCAL_SOCKET

Runner = Literal["process", "docker", "podman"]
RUNNERS = get_args(Runner)
STATE_FILE, LOG_FILE, MODELS_FOLDER = "service.json", "server.log", "models"


class ServiceState(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What runs.

    Attributes:
        runner: ``process``, or the engine that has the container.
        model: that is served.
        grpc_port, rest_port: of it.
        process: id of the server's; 0 in a container.
        started: when that process began, in the kernel's clock ticks, since ids are given out again.
        container: its name; empty for a process.
        tls: whether it speaks TLS on both ports.
    """

    runner: Runner
    model: str
    grpc_port: int
    rest_port: int
    process: int = 0
    started: int = 0
    container: str = ""
    tls: bool = False

    @property
    def own_address(self) -> str:
        """Where it answers health checks within its container, in plain text."""
        return f"unix:{LOCAL_SOCKET}" if self.tls else f"127.0.0.1:{self.grpc_port}"


_DECODER = msgspec.json.Decoder(ServiceState)


def state_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where services of this user have their folders: ``$XDG_STATE_HOME`` or ``~/.local/state``."""
    home = environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "accelserve" / "services"


def read_state(folder: Path) -> ServiceState | None:
    """What runs; None if this machine does not know."""
    try:
        return _DECODER.decode((folder / STATE_FILE).read_bytes())
    except (OSError, msgspec.DecodeError):
        return None


def write_state(folder: Path, state: ServiceState) -> None:
    """Remember it."""
    unfinished = folder / f".{STATE_FILE}"
    unfinished.write_bytes(msgspec.json.encode(state))
    unfinished.replace(folder / STATE_FILE)
