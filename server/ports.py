"""Holds ports while models load, so that one that is in use is found before anything is compiled.

A socket that is bound and does not listen refuses connections, as one that does not exist, and nobody else gets it.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

from accelserve.server.errors import ConfigurationError


class PortReservation:
    """The ports of some addresses, until ``release``."""

    def __init__(self) -> None:
        self._held: list[socket.socket] = []

    def take(self, addresses: Sequence[tuple[str, int]]) -> None:
        """Hold the ports; those that the system shall choose need none.

        Raises:
            ConfigurationError: one is in use, or an address is none of this machine.
        """
        try:
            for host, port in addresses:
                if port:
                    self._take(host, port)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let them go, for whoever listens on them now. May be called again."""
        for each in self._held:
            each.close()
        self._held = []

    def _take(self, host: str, port: int) -> None:
        try:
            found = socket.getaddrinfo(
                host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
            family, kind, protocol, _, address = found[0]
            held = socket.socket(family, kind, protocol)
            self._held.append(held)
            # As of the sockets that will listen: connections of a server that ended are no obstacle.
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.bind(address)
        except OSError as error:
            raise ConfigurationError(f"cannot listen on {host}:{port}: {error.strerror}") from error
