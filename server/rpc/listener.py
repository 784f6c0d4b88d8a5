"""Owns the gRPC port."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import grpc

from accelserve.server.config import GrpcConfig, RequestLimits
from accelserve.server.errors import ConfigurationError
from accelserve.server.ports import joined

_KEEPALIVE_MS = 60_000
_KEEPALIVE_TIMEOUT_MS = 20_000
_CLIENT_PING_MS = 5_000
_HANDSHAKE_MS = 10_000

# Threads are cheap while they wait for the device. There are more of them than images may be queued, so that whatever
# exceeds the queue still finds a thread to be refused on, at once.
_THREADS_TO_REFUSE_ON = 64
_MOST_THREADS = 1024


def thread_count(config: GrpcConfig, max_queued_images: int) -> int:
    """Of the pool that requests are worked on."""
    return config.max_threads or min(_MOST_THREADS, max_queued_images + _THREADS_TO_REFUSE_ON)


class GrpcListener:
    """A synchronous gRPC server: the thread that gRPC gives a request does all of its work."""

    def __init__(
        self,
        config: GrpcConfig,
        limits: RequestLimits,
        handlers: Sequence[grpc.GenericRpcHandler],
        threads: int,
        interceptors: Sequence[grpc.ServerInterceptor] = (),
        credentials: grpc.ServerCredentials | None = None,
    ) -> None:
        self._config = config
        self._credentials = credentials
        self._pool = ThreadPoolExecutor(threads, "grpc")
        self._server = grpc.server(
            self._pool,
            handlers=list(handlers),
            interceptors=list(interceptors),
            options=_options(config, limits),
        )
        self.port = 0

    def start(self) -> int:
        """Listen; returns the port.

        Raises:
            ConfigurationError: the address cannot be bound.
        """
        self.port = self._bind(joined(self._config.address, self._config.port), self._credentials)
        if self._config.socket_path:
            self._bind(f"unix:{self._config.socket_path}", None)  # the file's permissions guard it
        # The pool would start its first thread with the first request, which would wait for it.
        self._pool.submit(_nothing).result()
        self._server.start()
        return self.port

    def stop(self, grace_seconds: float) -> None:
        """Refuse new calls, give those in flight ``grace_seconds``, then cut them off; returns when all have ended."""
        self._server.stop(grace_seconds).wait()
        self._pool.shutdown(wait=True)

    def _bind(self, address: str, credentials: grpc.ServerCredentials | None) -> int:
        try:
            if credentials is not None:
                return self._server.add_secure_port(address, credentials)
            return self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise ConfigurationError(
                f"cannot listen on {address}: it is in use or not an address of this machine"
            ) from error


def _nothing() -> None:
    """A pool's first task."""


def _options(config: GrpcConfig, limits: RequestLimits) -> list[tuple[str, int | str]]:
    defaults: dict[str, int | str] = {
        "grpc.max_receive_message_length": limits.max_message_bytes,
        "grpc.max_send_message_length": limits.max_message_bytes,
        # Another server on the same port would take half of the requests without a word.
        "grpc.so_reuseport": 0,
        "grpc.max_concurrent_streams": limits.max_streams,
        # A peer that vanished is noticed, and what it asked for is dropped.
        "grpc.keepalive_time_ms": _KEEPALIVE_MS,
        "grpc.keepalive_timeout_ms": _KEEPALIVE_TIMEOUT_MS,
        "grpc.http2.ping_timeout_ms": _KEEPALIVE_TIMEOUT_MS,  # of the pings that measure bandwidth, likewise
        # Clients that look after their own connections are welcome to: gRPC would otherwise hang up on them.
        "grpc.http2.min_recv_ping_interval_without_data_ms": _CLIENT_PING_MS,
        "grpc.keepalive_permit_without_calls": 1,
        # A connection that says nothing, or never finishes TLS, goes away.
        "grpc.server_handshake_timeout_ms": _HANDSHAKE_MS,
    }
    # Of a setting that stands twice, gRPC takes the first.
    return list({**defaults, **dict(config.channel_arguments)}.items())
