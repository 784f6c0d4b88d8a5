"""A Ray cluster: one of this machine alone, or an existing one reached by Ray Client."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from accelserve.server.cluster.options import LOCAL, ClusterOptions
from accelserve.server.errors import ConfigurationError

_NAMESPACE = "serve"
_OBJECT_STORE_BYTES = 128 << 20
_TRIES = 2
"""A head node starts a process for every client, and now and then fails to in time where it is busy, as it answers then."""

# What Ray Serve reads on every node, for less work per call: proxies reach replicas by gRPC instead of by Ray's actor
# calls, and a replica keeps one event loop, since ours never blocks it. Its bound of 4 MB is then too low for pictures.
NODE_ENVIRONMENT = {
    "RAY_SERVE_USE_GRPC_BY_DEFAULT": "1",
    "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH": str(2**31 - 1),
    "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
    "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0",
    "RAY_SERVE_LOG_TO_STDERR": "0",
}


# What Ray reads where the log of all processes comes together: every line, and no colours.
_LOG_ENVIRONMENT = {"RAY_DEDUP_LOGS": "0", "RAY_COLOR_PREFIX": "0"}


class Connection(Protocol):
    """A cluster that this process is connected to."""

    def connect(self) -> None:
        """Connect; to be called once. ConfigurationError if there is no cluster."""

    def close(self) -> None:
        """Disconnect, and end the cluster if it is this process's own."""


def connection_to(options: ClusterOptions) -> Connection:
    """The kind of connection that an address means."""
    return LocalCluster() if options.address == LOCAL else ExistingCluster(options.client_address)


class LocalCluster:
    """As many CPUs as this process may use; nobody else's programs reach it, and nothing of it stays behind."""

    def __init__(self) -> None:
        self._folder: Path | None = None

    def connect(self) -> None:
        """Start it."""
        _set_unless_set({**NODE_ENVIRONMENT, **_LOG_ENVIRONMENT, "RAY_USAGE_STATS_ENABLED": "0"})
        os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
        self._folder = Path(tempfile.mkdtemp(prefix="accelserve-ray-"))
        import ray

        try:
            ray.init(
                address="local",  # or it would join a cluster that it finds here
                num_cpus=len(os.sched_getaffinity(0)),
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE_BYTES,
                namespace=_NAMESPACE,
                logging_level=logging.WARNING,
                _temp_dir=str(self._folder),
            )
        except Exception as error:
            raise ConfigurationError(f"no local Ray cluster could be started: {_reason(error)}") from error

    def close(self) -> None:
        """End every process of it."""
        import ray

        ray.shutdown()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


class ExistingCluster:
    """Reached through the Ray Client server of its head node.

    Args:
        address: ``ray://HOST:PORT``.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    def connect(self) -> None:
        """Reach it."""
        _set_unless_set(_LOG_ENVIRONMENT)
        _use_token()
        import ray

        try:
            for _ in range(_TRIES - 1):
                with suppress(ConnectionAbortedError):
                    ray.init(self._address, namespace=_NAMESPACE, logging_level=logging.WARNING)
                    return
            ray.init(self._address, namespace=_NAMESPACE, logging_level=logging.WARNING)
        except Exception as error:
            raise ConfigurationError(
                f"no Ray cluster answers at {self._address}: {_reason(error)}; expected a head node started with "
                "--ray-client-server-port, the same versions of Python and Ray, and its token in RAY_AUTH_TOKEN or "
                "~/.ray/auth_token"
            ) from error

    def close(self) -> None:
        """Let go of it."""
        import ray

        ray.shutdown()


def _set_unless_set(variables: Mapping[str, str]) -> None:
    for name, value in variables.items():
        os.environ.setdefault(name, value)


def _use_token() -> None:
    """Show the cluster's token, if there is one here: Ray Client shows none unless it is told to."""
    given: Any = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    if given or (Path.home() / ".ray" / "auth_token").exists():
        os.environ.setdefault("RAY_AUTH_MODE", "token")


def _reason(error: Exception) -> str:
    """One line: the first, or the last of a traceback that came from another process."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1 if any(line.startswith("Traceback ") for line in lines) else 0].strip().rstrip(".")
