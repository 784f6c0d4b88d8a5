"""Tells systemd, or whoever speaks its protocol, how the server is: sd_notify(3), sd_watchdog_enabled(3).

A message is one datagram of ``NAME=value`` lines to the socket that ``NOTIFY_SOCKET`` names. It may come from any process
that the service manager allows (``NotifyAccess``), also from inside a container: podman hands the socket in.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import MutableMapping
from dataclasses import dataclass

_LOG = logging.getLogger(__name__)

_SOCKET, _WATCHDOG, _WATCHED = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"
_SEND_TIMEOUT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """Where messages go. One without an address is nobody: every message to it is dropped.

    Attributes:
        address: of the socket, as ``NOTIFY_SOCKET`` has it: a path, or ``@`` and a name without a file.
        watchdog_seconds: without a sign of life for that long the server is ended; 0 asks for none.
    """

    address: str = ""
    watchdog_seconds: float = 0.0

    def ready(self, status: str) -> None:
        """The server serves. ``status`` is for people; it stands in ``systemctl status``."""
        self._send("READY=1", _status(status))

    def status(self, status: str) -> None:
        """What it is doing, in one line."""
        self._send(_status(status))

    def reloading(self) -> None:
        """The configuration is read again; ``ready`` ends that."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", "STATUS=reloading")

    def stopping(self, status: str) -> None:
        """The server drains; from here on nobody waits for signs of life."""
        self._send("STOPPING=1", _status(status))

    def alive(self) -> None:
        """A sign of life."""
        self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if not self.address:
            return
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(_SEND_TIMEOUT_SECONDS)
                sender.sendto("\n".join(lines).encode(), address)
        except OSError as error:  # the server goes on without its manager
            _LOG.warning("cannot tell the service manager %s: %s: %s", lines[0], self.address, error)


def service_manager(environ: MutableMapping[str, str]) -> ServiceManager:
    """The one that started this process, or nobody.

    Takes the variables out of ``environ``, so that no process of ours speaks in our name.
    """
    address = environ.pop(_SOCKET, "")
    microseconds, watched = environ.pop(_WATCHDOG, ""), environ.pop(_WATCHED, "")
    if address and not address.startswith(("/", "@")):
        _LOG.warning("%s=%s is no unix socket: the service manager is told nothing", _SOCKET, address)
        return ServiceManager()
    for_us = watched in ("", str(os.getpid()))
    wanted = microseconds.isascii() and microseconds.isdigit() and for_us
    return ServiceManager(address, int(microseconds) / 1e6 if wanted and address else 0.0)


def _status(text: str) -> str:
    return f"STATUS={' '.join(text.split())}"
