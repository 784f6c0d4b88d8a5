"""An HTTP client of a running server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from accelserve.server.config import RestConfig


@pytest.fixture
def rest(
    serve: Callable[..., SimpleNamespace],
) -> Iterator[Callable[..., tuple[SimpleNamespace, httpx.Client]]]:
    """``rest(...)``: as ``serve``, with an HTTP port, and a client of it."""
    clients: list[httpx.Client] = []

    def start(**settings: Any) -> tuple[SimpleNamespace, httpx.Client]:
        server = serve(**{"rest": RestConfig(address="127.0.0.1", port=0), **settings})
        clients.append(httpx.Client(base_url=f"http://127.0.0.1:{server.server.rest_port}", timeout=60))
        return server, clients[-1]

    yield start
    for client in clients:
        client.close()
