"""Holds ports while models load, so that one that is in use is found before anything is compiled.

A socket that is bound and does not listen refuses connections, as one that does not exist, and nobody else gets it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

from accelserve.server.errors import ConfigurationError

# sockaddr_un has 108 bytes, the last of which is a zero.
_SOCKET_PATH_BYTES = 107


def bare(host: str) -> str:
    """A host without the brackets in which an IPv6 address may stand."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def joined(host: str, port: int) -> str:
    """``host:port``, with an IPv6 address in brackets (RFC 3986, section 3.2.2)."""
    host = bare(host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def reached_at(host: str) -> str:
    """Where this machine's own programs reach what listens on a host: every address is no address to call."""
    return "localhost" if _is_unspecified(host) else host


def named_by_others(host: str) -> str:
    """What other machines would call what listens on a host: this machine's name for every address."""
    return socket.gethostname() if _is_unspecified(host) else host


def _is_unspecified(host: str) -> bool:
    try:
        return ip_address(bare(host)).is_unspecified
    except ValueError:  # a name
        return False


def free_port(host: str) -> int:
    """A port that nobody listens on now; who needs it to be free later had better hold a ``PortReservation``."""
    with socket.create_server((host, 0)) as probe:
        return int(probe.getsockname()[1])


def check_socket_path(path: Path) -> None:
    """ConfigurationError if no Unix socket can be made at a path; one that is there will be replaced."""
    reason = ""
    if len(os.fsencode(path)) > _SOCKET_PATH_BYTES:
        reason = f"its path is longer than {_SOCKET_PATH_BYTES} bytes"
    elif not path.parent.is_dir():
        reason = f"there is no folder {path.parent}"
    elif not os.access(path.parent, os.W_OK):
        reason = f"{path.parent} cannot be written"
    elif path.exists() and not path.is_socket():
        reason = "something else is there"
    if reason:
        raise ConfigurationError(f"cannot listen on unix:{path}: {reason}")


class PortReservation:
    """The ports of some addresses, until ``release``."""

    def __init__(self) -> None:
        self._held: list[socket.socket] = []

    def take(self, addresses: Sequence[tuple[str, int]]) -> None:
        """Hold the ports; where the system shall choose one, it is only seen whether it can.

        Raises:
            ConfigurationError: one is in use, or wanted twice, or an address is none of this machine.
        """
        for index, (host, port) in enumerate(addresses):
            if port and (host, port) in addresses[:index]:
                raise ConfigurationError(
                    f"cannot listen on {joined(host, port)} twice; give gRPC, HTTP and metrics a port each"
                )
        try:
            for host, port in addresses:
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
        if not host:  # to the system that would be every address, to gRPC it is none
            raise ConfigurationError(
                "the address to listen on is empty; 0.0.0.0 is every one of this machine"
            )
        try:
            found = socket.getaddrinfo(bare(host), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            family, kind, protocol, _, address = found[0]
            held = socket.socket(family, kind, protocol)
            self._held.append(held)
            # As of the sockets that will listen: connections of a server that ended are no obstacle.
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.bind(address)
        except OSError as error:
            raise ConfigurationError(f"cannot listen on {joined(host, port)}: {error.strerror}") from error
