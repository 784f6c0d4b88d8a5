"""Ports of a service that is about to start."""

from __future__ import annotations

import os
import socket

from accelserve.deployment.errors import PortTakenError, ServiceError


class HeldPorts:
    """Ports of an address that nobody gets by chance until ``close``: they are bound, and not listened on.

    Who names one and sets SO_REUSEADDR, as our server does, may listen on it all the same.

    Args:
        host: IPv4 address.
        ports: 0 takes a free one.

    Raises:
        PortTakenError: somebody listens on one.
        ServiceError: a number is no port.
    """

    def __init__(self, host: str, *ports: int) -> None:
        self._held: list[socket.socket] = []
        try:
            self.numbers = tuple(self._take(host, port) for port in ports)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of them; they stay with who listens. May be called again."""
        for each in self._held:
            each.close()

    def _take(self, host: str, port: int) -> int:
        held = socket.socket()
        self._held.append(held)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            held.bind((host, port))
        except OSError as error:
            raise PortTakenError(port, os.strerror(error.errno or 0)) from error
        except OverflowError as error:
            raise ServiceError(f"port {port}", "0 to 65535") from error
        return int(held.getsockname()[1])
