"""Owns the HTTP port: an event loop on a thread of its own."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

import uvicorn
from starlette.types import ASGIApp

from accelserve.server.config import RestConfig
from accelserve.server.errors import ConfigurationError
from accelserve.server.ports import bare, joined
from accelserve.server.rest.header_timeout import with_header_timeout

_BACKLOG = 1024
_THREADS_TO_REFUSE_ON = 64
_MOST_THREADS = 1024


P = ParamSpec("P")
T = TypeVar("T")


class ContextPool(ThreadPoolExecutor):
    """Work is done in the context of whoever handed it in: which request it is for goes along."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """As its base."""
        return super().submit(partial(copy_context().run, fn, *args, **kwargs))


class _Server(uvicorn.Server):
    """Knows the event loop that it runs on."""

    loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """As its base."""
        self.loop = asyncio.get_running_loop()
        await super().serve(sockets)


class RestListener:
    """Listens once started; ``pool`` is where the application's handlers compute; ``tls`` None speaks plain text."""

    def __init__(self, config: RestConfig, max_queued_images: int, tls: ssl.SSLContext | None = None) -> None:
        threads = config.threads or min(_MOST_THREADS, max_queued_images + _THREADS_TO_REFUSE_ON)
        self._config = config
        self._tls = tls
        self.pool = ContextPool(threads, "rest")
        self.port = 0
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def start(self, application: ASGIApp) -> int:
        """Listen; returns the port. ConfigurationError if the address cannot be bound."""
        listening = self._bind()
        self.port = int(listening.getsockname()[1])
        settings = uvicorn.Config(
            application,
            log_config=None,
            access_log=False,
            lifespan="off",
            http=with_header_timeout(self._config.header_seconds),
            ws="none",
            server_header=False,
            limit_concurrency=self._config.max_connections,
            timeout_graceful_shutdown=None,
        )
        settings.load()
        settings.ssl = self._tls
        self._server = _Server(settings)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listening]}, name="rest", daemon=True
        )
        self._thread.start()
        return self.port

    def answers(self, within_seconds: float) -> bool:
        """Whether the event loop gets to a new task within that time; also true of one that was not started."""
        loop = None if self._server is None else self._server.loop
        if loop is None:
            return True
        reached = threading.Event()
        loop.call_soon_threadsafe(reached.set)
        return reached.wait(within_seconds)

    def stop(self, grace_seconds: float) -> None:
        """Refuse new connections and finish the requests in flight, for at most ``grace_seconds``."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(grace_seconds)
            self._server.force_exit = True
            self._thread.join()
        self.pool.shutdown(wait=True)

    def _bind(self) -> socket.socket:
        host, port = bare(self._config.address), self._config.port or 0
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            return socket.create_server((host, port), family=family, backlog=_BACKLOG)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
            raise ConfigurationError(f"cannot listen on {joined(host, port)}: {reason}") from error
