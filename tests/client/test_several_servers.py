"""Calls that several servers share: in turn, without those that fail, drain or say that they do not serve.

The judge of what is balanced how is gRPC itself (its round_robin policy and gRFC A17); here its servers are real ones.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from tests.ports import held_ports

from accelserve.client import (
    AsyncPredictionClient,
    PredictionClient,
    RetryPolicy,
    TlsOptions,
    UnavailableError,
)
from accelserve.client.addresses import Addresses, read_addresses
from accelserve.client.connection import connection

from .peer import QUICK_RETRY, Peer, start

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.mark.parametrize(
    ("address", "port", "each"),
    [
        ("a:1,b:2", None, ("a:1", "b:2")),
        ("a, b:2", 8500, ("a:8500", "b:2")),
        (["a", "[::1]:5", "::2"], 8500, ("a:8500", "[::1]:5", "[::2]:8500")),
        (["a", "b"], None, ("a:80", "b:80")),
        ("dns:///models:8500", None, ("dns:///models:8500",)),
        ("dns:///models", 8500, ("dns:///models:8500",)),
        ("dns:models", 8500, ("dns:models:8500",)),
        ("dns://10.0.0.10/models", 8500, ("dns://10.0.0.10/models:8500",)),
    ],
)
def test_what_calls_are_balanced_over(
    address: str | list[str], port: int | None, each: tuple[str, ...]
) -> None:
    addresses = read_addresses(address, port, is_secure=False)
    assert (addresses, addresses.is_balanced) == (Addresses(each), True)


@pytest.mark.parametrize("address", ["models:8500", "unix:/run/a,b.sock", ["models:8500"], "10.0.0.1:8500"])
def test_one_server_is_connected_to_as_ever(address: str | list[str]) -> None:
    addresses = read_addresses(address, None, is_secure=False)
    assert not addresses.is_balanced
    assert addresses.service_config(watch_health=True) is None
    assert addresses.target() == addresses.each[0]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ([], "at least one, got none"),
        ("a:1,", "got an empty string"),
        ("http://a:1", r"expected HOST, HOST:PORT, an IP address or unix:PATH, got http://a:1"),
        ("a:b", "got a:b"),
        ("a:1:2", "got a:1:2"),
        ("[::1", r"got \[::1"),
        ("[a]", r"got \[a\]"),
        ("a:1,unix:/b", "unix:/b stands alone or not at all, got it among 2 addresses"),
        (["a:1", "dns:///b:2"], "dns:///b:2 stands alone"),
    ],
)
def test_what_cannot_stand_among_several_is_refused(address: str | list[str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_addresses(address, None, is_secure=False)


def test_addresses_of_both_families_make_one_target() -> None:
    assert (
        read_addresses("127.0.0.1:1,127.0.0.2:2", None, is_secure=False).target()
        == "ipv4:127.0.0.1:1,127.0.0.2:2"
    )
    both = read_addresses("127.0.0.1:1,[::1]:2", None, is_secure=False).target()
    assert both == "ipv6:[::ffff:7f00:1]:1,[::1]:2"  # RFC 4291, section 2.5.5.2


def test_a_name_that_nobody_knows_is_an_error_of_the_client() -> None:
    with pytest.raises(OSError, match=r"^nobody\.invalid:1 cannot be resolved: "):
        PredictionClient("127.0.0.1:1,nobody.invalid:1")


def test_certificates_of_several_hosts_need_a_name_in_common() -> None:
    def described(address: str, tls: TlsOptions) -> object:
        return connection(
            address, None, use_ssl=False, tls=tls, access_token="", service_name="", max_message_bytes=1
        )

    with pytest.raises(ValueError, match="a:1, b:1 have no host name in common"):
        described("a:1,b:1", TlsOptions())
    described("a:1,a:2", TlsOptions())
    described("a:1,b:1", TlsOptions(server_name="models.example"))


def test_the_service_config_is_grpcs() -> None:
    addresses = read_addresses("a:1,b:1", None, is_secure=False)
    watched = addresses.service_config(watch_health=True)
    plain = addresses.service_config(watch_health=False)
    assert watched is not None
    assert plain is not None
    assert json.loads(watched) == {
        "loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": ""}
    }  # fmt: skip
    assert json.loads(plain) == {"loadBalancingConfig": [{"round_robin": {}}]}


@dataclass
class Healthy:
    """A peer with a health service that the test sets."""

    peer: Peer
    server: grpc.Server
    health: health.HealthServicer

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.peer.port}"

    def says(self, status: int) -> None:
        self.health.set("", status)

    @property
    def calls(self) -> int:
        return len(self.peer.requests)


def healthy(address: str) -> Healthy:
    servicer = health.HealthServicer(experimental_non_blocking=True)
    servicer.set("", SERVING)
    peer = Peer()
    server = start(
        peer, address=address, register=lambda to: health_pb2_grpc.add_HealthServicer_to_server(servicer, to)
    )
    return Healthy(peer, server, servicer)


@pytest.fixture
def four() -> Iterator[list[Healthy]]:
    with held_ports(4) as ports:
        servers = [healthy(f"127.0.0.1:{port}") for port in ports]
        yield servers
        stopping = [each.server.stop(None) for each in servers]
        for stopped in stopping:
            stopped.wait()


def until(happened: Callable[[], bool], call: Callable[[], object]) -> None:
    """Call until it happened; a bound on the calls, not on the time."""
    for _ in range(20_000):
        if happened():
            return
        call()
    pytest.fail("20,000 calls did not bring it about")


def left_out(servers: list[Healthy], absent: Healthy, call: Callable[[], object]) -> bool:
    """Whether two rounds of calls go past one of them."""
    before = absent.calls
    for _ in range(2 * len(servers)):
        call()
    return absent.calls == before


def addresses_of(servers: list[Healthy]) -> list[str]:
    return [each.address for each in servers]


def test_calls_go_to_all_servers_in_turn(four: list[Healthy]) -> None:
    with PredictionClient(addresses_of(four)) as client:
        until(lambda: all(each.calls for each in four), lambda: client.score_image(b"1"))
        before = [each.calls for each in four]
        for _ in range(40):
            client.score_image(b"1")
        assert [each.calls - earlier for each, earlier in zip(four, before, strict=True)] == [10] * 4


def test_a_server_that_does_not_serve_is_left_out_until_it_does(four: list[Healthy]) -> None:
    with PredictionClient(addresses_of(four)) as client:

        def call() -> None:
            client.score_image(b"1")

        until(lambda: all(each.calls for each in four), call)
        four[0].says(NOT_SERVING)
        until(lambda: left_out(four, four[0], call), call)
        seen = four[0].calls
        four[0].says(SERVING)
        until(lambda: four[0].calls > seen, call)


def test_health_need_not_be_watched(four: list[Healthy]) -> None:
    four[0].says(NOT_SERVING)
    with PredictionClient(addresses_of(four), watch_health=False) as client:
        until(lambda: four[0].calls > 0, lambda: client.score_image(b"1"))


def test_a_server_that_ends_costs_no_call_and_is_asked_again_when_it_is_back(four: list[Healthy]) -> None:
    with PredictionClient(
        addresses_of(four), retry=RetryPolicy(max_attempts=2, initial_backoff_s=0.001)
    ) as client:

        def call() -> None:
            assert client.score_image(b"123", outputs="lengths") == 3

        until(lambda: all(each.calls for each in four), call)
        gone = four[1]
        gone.server.stop(None).wait()
        for _ in range(40):
            call()
        again = healthy(gone.address)
        try:
            until(lambda: again.calls > 0, call)
        finally:
            again.server.stop(None).wait()


def test_when_none_serves_the_call_says_so(four: list[Healthy]) -> None:
    for each in four:
        each.says(NOT_SERVING)
    with (
        PredictionClient(addresses_of(four), retry=QUICK_RETRY) as client,
        pytest.raises(UnavailableError) as caught,
    ):
        client.score_image(b"1")
    assert caught.value.target == ", ".join(addresses_of(four))
    assert all(each.calls == 0 for each in four)


def test_servers_without_a_health_service_are_asked() -> None:
    peers = [Peer(), Peer()]
    servers = [start(peer) for peer in peers]
    with PredictionClient(f"127.0.0.1:{peers[0].port},127.0.0.1:{peers[1].port}") as client:
        until(lambda: all(peer.requests for peer in peers), lambda: client.score_image(b"1"))
    for server in servers:
        server.stop(None).wait()


def test_a_dns_name_is_all_of_its_addresses(four: list[Healthy]) -> None:
    port = four[0].peer.port
    second = healthy(f"[::1]:{port}") if _has_ipv6() else None
    with PredictionClient(f"dns:///localhost:{port}") as client:
        until(
            lambda: bool(four[0].calls and (second is None or second.calls)), lambda: client.score_image(b"1")
        )
    if second is not None:
        second.server.stop(None).wait()


def _has_ipv6() -> bool:
    import socket

    try:
        found = {place[0] for *_, place in socket.getaddrinfo("localhost", 1)}
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return {"127.0.0.1", "::1"} <= found


def test_the_asyncio_client_does_the_same(four: list[Healthy]) -> None:
    async def score() -> None:
        async with AsyncPredictionClient(addresses_of(four), retry=QUICK_RETRY) as client:
            for _ in range(20_000):
                await client.score_image(b"1")
                if all(each.calls for each in four):
                    return

    asyncio.run(score())
    assert all(each.calls for each in four)


def length(client: PredictionClient, size: int) -> int:
    lengths = client.score_image(b"1" * size, outputs="lengths")
    assert isinstance(lengths, np.ndarray)
    return int(lengths.item())


def test_threads_share_the_connections(four: list[Healthy]) -> None:
    with PredictionClient(addresses_of(four)) as client, futures.ThreadPoolExecutor(8) as pool:
        until(lambda: all(each.calls for each in four), lambda: length(client, 1))
        before = [each.calls for each in four]
        lengths = list(pool.map(lambda n: length(client, n), range(1, 201)))
    assert lengths == list(range(1, 201))
    assert all(each.calls > earlier for each, earlier in zip(four, before, strict=True))
