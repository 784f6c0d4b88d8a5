"""Where replicas run, and how many."""

from __future__ import annotations

import re
from dataclasses import dataclass

from accelserve.server.errors import ConfigurationError

LOCAL = "local"
_CLIENT = re.compile(r"ray://(\[[^]/]+\]|[^:/\[\]]+)(?::(\d{1,5}))?/?")
_CLIENT_PORT = 10001


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterOptions:
    """What an operator says of the cluster.

    Attributes:
        address: ``local``: a cluster of this machine alone, which ends with the command; or ``ray://HOST[:PORT]``: the
            Ray Client server of an existing one, on port 10001 unless given.
        min_replicas: at least so many run.
        max_replicas: at most so many; None takes as many as the cluster's CPUs hold when the command starts.
        target_ongoing_requests: of one replica, that the autoscaler aims at.
    """

    address: str
    min_replicas: int = 1
    max_replicas: int | None = None
    target_ongoing_requests: float = 4.0

    def __post_init__(self) -> None:
        if self.address != LOCAL and _CLIENT.fullmatch(self.address) is None:
            raise ConfigurationError(
                f"--cluster must be '{LOCAL}' or 'ray://HOST[:PORT]', got '{self.address}'"
            )
        if self.min_replicas < 1:
            raise ConfigurationError(f"--min_replicas must be at least 1, got {self.min_replicas}")
        if self.max_replicas is not None and self.max_replicas < self.min_replicas:
            raise ConfigurationError(
                f"--max_replicas is {self.max_replicas}, less than --min_replicas, {self.min_replicas}"
            )
        if not self.target_ongoing_requests > 0:  # true of NaN too
            raise ConfigurationError(
                f"--target_ongoing_requests must be more than 0, got {self.target_ongoing_requests}"
            )

    @property
    def host(self) -> str:
        """Of a machine whose proxy answers."""
        match = _CLIENT.fullmatch(self.address)
        return "127.0.0.1" if match is None else match[1]

    @property
    def client_address(self) -> str:
        """Of the Ray Client server, with its port."""
        match = _CLIENT.fullmatch(self.address)
        if match is None:
            raise ValueError("a local cluster has none")
        return f"ray://{match[1]}:{match[2] or _CLIENT_PORT}"
