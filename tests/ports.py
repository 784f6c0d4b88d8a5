"""Ports that a test names before anybody listens on them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from accelserve.deployment.webservices.ports import HeldPorts


@contextmanager
def held_ports(count: int = 1, host: str = "127.0.0.1") -> Iterator[list[int]]:
    """Free ports, which nobody gets by chance while the block runs: they are bound, and refuse connections.

    Whoever names one and sets SO_REUSEADDR, as gRPC, uvicorn and asyncio do, may listen on it all the same; the system gives
    none of them to a socket that asks for any port, nor to a connection of a client.
    """
    with closing(HeldPorts(host, *[0] * count)) as held:
        yield list(held.numbers)
