"""Runs a server for the length of a process: start, wait for a signal, drain, exit code."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Sequence
from types import FrameType

from accelserve.kernels.errors import KernelError
from accelserve.server.app import Server
from accelserve.server.config import ServerConfig
from accelserve.server.errors import ServerError
from accelserve.server.loading import ServableLoader

_LOG = logging.getLogger(__name__)


class _StoppedWhileStarting(BaseException):
    """SIGTERM came before the ports were open."""


class _StopSignals:
    """SIGTERM and SIGINT: an exception while the server starts, an event once it runs. SIGHUP: reload.

    Works as process 1 too, which has no default actions.
    """

    def __init__(self) -> None:
        self.starting = True
        self.received = threading.Event()
        self.changed = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGHUP, self._on_reload)

    def wait(self) -> bool:
        """Sleep until a signal; True for a reload, False for the end."""
        self.changed.wait()
        self.changed.clear()
        return not self.received.is_set()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.received.is_set():
            return
        _LOG.info("%s: no new requests; finishing those in flight", signal.Signals(number).name)
        self.received.set()
        self.changed.set()
        if self.starting:
            raise _StoppedWhileStarting

    def _on_reload(self, _number: int, _frame: FrameType | None) -> None:
        self.changed.set()


def serve_until_stopped(config: ServerConfig, warnings: Sequence[str] = ()) -> int:
    """Serve until SIGTERM or SIGINT; returns the process's exit code."""
    stop = _StopSignals()
    for warning in warnings:
        _LOG.warning(warning)
    try:
        server = Server(config, ServableLoader(config.device, config.limits))
        server.start()
        stop.starting = False
    except _StoppedWhileStarting:
        return 0
    except (ServerError, KernelError) as error:
        _LOG.error("Failed to start server. Error: %s", error)
        return 1
    _LOG.info("Running gRPC ModelServer at %s:%d ...", config.grpc.address, server.port)
    if server.rest_port is not None:
        _LOG.info("Exporting HTTP/REST API at:%s:%d ...", config.rest.address, server.rest_port)
    while stop.wait():
        server.reload()
    server.stop()
    return 0
