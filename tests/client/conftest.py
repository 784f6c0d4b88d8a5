"""The client and its peer."""

from collections.abc import Iterator

import pytest

from accelserve.client import PredictionClient

from .peer import QUICK_RETRY, Peer, start


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    server = start(peer)
    yield peer
    server.stop(None).wait()


@pytest.fixture
def client(peer: Peer) -> Iterator[PredictionClient]:
    with PredictionClient("127.0.0.1", peer.port, retry=QUICK_RETRY) as client:
        yield client
