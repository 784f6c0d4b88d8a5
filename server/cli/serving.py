"""Runs a server for the length of a process: start, wait for signals, drain, exit code."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from accelserve.kernels.errors import KernelError
from accelserve.kernels.heap import limit_heaps
from accelserve.server.app import Server
from accelserve.server.cli.service_manager import ServiceManager
from accelserve.server.cli.service_status import follow, status_line
from accelserve.server.cli.stop_signals import StoppedWhileStarting, StopSignals
from accelserve.server.cli.watchdog import Watchdog
from accelserve.server.config import ServerConfig
from accelserve.server.errors import ServerError
from accelserve.server.loading.device import ServableLoader
from accelserve.server.ports import joined, reached_at

_LOG = logging.getLogger(__name__)


def serve_until_stopped(
    config: ServerConfig,
    stop: StopSignals,
    warnings: Sequence[str] = (),
    manager: ServiceManager = ServiceManager(),  # noqa: B008 - immutable
) -> int:
    """Serve until SIGTERM or SIGINT, and tell the service manager; returns the process's exit code.

    Raises:
        StoppedWhileStarting: the signal came first; what open ports had let in by then is answered.
    """
    limit_heaps(len(os.sched_getaffinity(0)))
    for warning in warnings:
        _LOG.warning(warning)
    try:
        server = Server(config, ServableLoader(config.device, config.limits))
        follow(server, manager)
        _start(server, stop)
    except (ServerError, KernelError) as error:
        _LOG.error("Failed to start server. Error: %s", error)
        manager.status(f"failed to start: {error}")
        return 1
    watchdog = Watchdog(manager, server.stuck)
    watchdog.start()
    manager.ready(status_line(server))
    reloads = ThreadPoolExecutor(1, "reload")  # whose loads a signal to stop must not wait for
    last: Future[None] | None = None
    while stop.wait():
        is_queued = last is not None and not (last.running() or last.done())
        if not is_queued:  # one that is still to begin will read the newest
            last = reloads.submit(_reload, server, manager, stop)
    manager.stopping("finishing what is in flight")
    watchdog.stop()
    server.stop()
    reloads.shutdown(cancel_futures=True)
    return 0


def _reload(server: Server, manager: ServiceManager, stop: StopSignals) -> None:
    try:
        manager.reloading()
        server.reload()
        if not stop.stopped:
            manager.ready(status_line(server))
    except Exception:  # noqa: BLE001 - the boundary: nobody asks for the result, and the server goes on
        _LOG.exception("the configuration could not be read again")


def _start(server: Server, stop: StopSignals) -> None:
    def opened() -> None:
        _say_where(server.config, server)
        if server.config.start_before_ready:
            stop.strike()

    try:
        server.start(opening=stop.hold, opened=opened)
        stop.hold()
    except StoppedWhileStarting:
        server.give_up()
        raise


def _say_where(config: ServerConfig, server: Server) -> None:
    _LOG.info("Running gRPC ModelServer at %s ...", joined(config.grpc.address, server.port))
    if server.rest_port is not None:
        _LOG.info("Exporting HTTP/REST API at:%s ...", joined(config.rest.address, server.rest_port))
        _LOG.info("Status page: %s", status_page_url(config, server.rest_port))


def status_page_url(config: ServerConfig, rest_port: int) -> str:
    """Where a browser on this machine finds the status page."""
    encrypted = config.security.tls is not None and config.security.rest_tls
    return f"{'https' if encrypted else 'http'}://{joined(reached_at(config.rest.address), rest_port)}/"
