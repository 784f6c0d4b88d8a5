"""An HTTP/1.1 protocol that waits for requests only so long: half-open connections and slow headers end by themselves."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


class HeaderTimeoutProtocol(H11Protocol):
    """Closes a connection on which no whole request header arrives in time.

    uvicorn bounds the time between requests only, so one that never begins, or whose header comes byte by byte, would
    stay. The body's time is bounded where it is read.
    """

    header_seconds = 10.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as its base
        """A client connected."""
        super().connection_made(transport)
        # An answer is two writes, header and body: the second would wait 40 ms for the first one's acknowledgement.
        # asyncio sees to that only where a socket says that it is TCP's, and those of socket.create_server do not.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._await_header()

    def data_received(self, data: bytes) -> None:
        """Something arrived."""
        super().data_received(data)
        if self._in_request():
            self._header_timer.cancel()

    def on_response_complete(self) -> None:
        """A request was answered; the next one may come."""
        super().on_response_complete()
        if not self._in_request():
            self._await_header()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._header_timer.cancel()
        super().connection_lost(exc)

    def _in_request(self) -> bool:
        cycle: Any = self.cycle
        return cycle is not None and not cycle.response_complete

    def _await_header(self) -> None:
        self._header_timer = self.loop.call_later(self.header_seconds, self._give_up)

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.abort()


def with_header_timeout(header_seconds: float) -> type[HeaderTimeoutProtocol]:
    """The protocol with another time for headers."""
    return type("HeaderTimeoutProtocol", (HeaderTimeoutProtocol,), {"header_seconds": header_seconds})
