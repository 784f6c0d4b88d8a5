"""What the connections of a port have been given and their other ends have not acknowledged.

A connection that is closed with something left to send loses it as soon as its other end says anything, be it only that it
has read a part (RFC 9293, section 3.6.1: a reset for data that nobody will receive). gRPC closes connections when it has
handed the last answer to the system, and clients of HTTP/2 do say what they have read.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_OPEN = frozenset(("01", "08"))  # established, or closed by the other end for its own direction only
_LOOK_SECONDS = 0.02
"""Between two looks: the system tells nobody when a queue has emptied."""


def unsent_bytes(port: int) -> int:
    """Of all open TCP connections to the port; 0 where the system does not tell.

    The columns are ``sl local_address rem_address st tx_queue:rx_queue ...``, in hexadecimal: proc_pid_net(5).
    """
    return sum(
        int(queues.partition(":")[0], 16)
        for local, state, queues in _connections()
        if state in _OPEN and int(local.rpartition(":")[2], 16) == port
    )


def wait_until_sent(port: int, deadline: float) -> None:
    """Return once nothing is left to be acknowledged, or at ``deadline`` (monotonic seconds)."""
    while unsent_bytes(port) and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)


def _connections() -> Iterator[tuple[str, str, str]]:
    for table in _TABLES:
        try:
            lines = table.read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            _, local, _, state, queues, *_ = line.split()
            yield local, state, queues
