"""Addresses, headers, TLS."""

import datetime as dt
import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from accelserve.client import PredictionClient, RetryPolicy, TlsOptions, UnavailableError
from accelserve.client.connection import Connection, connection

from .peer import Peer, start

ONCE = RetryPolicy(max_attempts=1)


def described(
    address: str = "host",
    port: int | None = None,
    *,
    use_ssl: bool = False,
    tls: TlsOptions | None = None,
    access_token: str = "",
    service_name: str = "",
) -> Connection:
    return connection(
        address,
        port,
        use_ssl=use_ssl,
        tls=tls,
        access_token=access_token,
        service_name=service_name,
        max_message_bytes=1 << 20,
    )


@pytest.mark.parametrize(
    ("address", "port", "use_ssl", "target"),
    [
        ("localhost", 8500, False, "localhost:8500"),
        ("localhost:8500", None, False, "localhost:8500"),
        ("example.org", None, False, "example.org:80"),
        ("example.org", None, True, "example.org:443"),
        ("::1", 8500, False, "[::1]:8500"),
        ("::1", None, False, "[::1]:80"),
        ("[::1]:8500", None, False, "[::1]:8500"),
        ("[::1]", 8500, False, "[::1]:8500"),
        ("unix:/run/serve.sock", None, False, "unix:/run/serve.sock"),
    ],
)
def test_addresses_become_targets(address: str, port: int | None, use_ssl: bool, target: str) -> None:
    assert described(address, port, use_ssl=use_ssl).target == target


@pytest.mark.parametrize(
    ("address", "port", "words"),
    [
        ("", 1, "empty string"),
        ("host", 0, "got 0"),
        ("host", 65536, "got 65536"),
        ("host:0", 1, "got 0"),
        ("host:65536", 1, "got 65536"),
    ],
)
def test_impossible_addresses_are_refused(address: str, port: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        described(address, port)


def test_the_key_and_the_route_are_sent_as_the_azure_service_wants_them(peer: Peer) -> None:
    with PredictionClient("127.0.0.1", peer.port, False, "secret", "my-service") as client:
        client.score_image(b"1")
    (headers,) = peer.headers
    assert headers["authorization"] == "Bearer secret"
    assert headers["x-ms-aml-grpc-service-route"] == "/api/v1/service/my-service"


def test_without_a_key_or_a_service_no_header_is_sent(peer: Peer, client: PredictionClient) -> None:
    client.score_image(b"1")
    (headers,) = peer.headers
    assert "authorization" not in headers
    assert "x-ms-aml-grpc-service-route" not in headers


def test_a_key_that_no_header_can_carry_is_refused_without_being_shown() -> None:
    with pytest.raises(ValueError, match="access_token") as caught:
        described(access_token="sécret\n")  # noqa: S106 - nobody's password
    assert "cret" not in str(caught.value)


def test_a_unix_socket_is_an_address(socket_folder: Path) -> None:
    peer = Peer()
    server = start(peer, address=f"unix:{socket_folder}/serve.sock")
    with PredictionClient(f"unix:{socket_folder}/serve.sock") as client:
        assert client.score_image(b"123", outputs="lengths") == 3
    server.stop(None).wait()


@dataclass(frozen=True)
class Identity:
    """A certificate with its key, as PEM."""

    key: bytes
    certificate: bytes


class Authority:
    """Signs certificates, for the length of a test run."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        builder = self._builder(self._name, self._key.public_key())
        self._certificate = builder.add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        ).sign(self._key, hashes.SHA256())
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM)

    def identity(self, name: str) -> Identity:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = x509.SubjectAlternativeName(
            [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        )
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        builder = self._builder(subject, key.public_key())
        signed = builder.add_extension(names, critical=False).add_extension(usage, critical=False)
        certificate = signed.sign(self._key, hashes.SHA256())
        encoding = serialization.Encoding.PEM
        return Identity(
            key=key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
            certificate=certificate.public_bytes(encoding),
        )

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(hours=1))
        )


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def secure_peer(authority: Authority) -> Iterator[Peer]:
    """Asks for a client certificate; its own is for 127.0.0.1 and serving.example."""
    identity = authority.identity("serving.example")
    credentials = grpc.ssl_server_credentials(
        [(identity.key, identity.certificate)], authority.pem, require_client_auth=True
    )
    peer = Peer()
    server = start(peer, credentials=credentials)
    yield peer
    server.stop(None).wait()


def test_both_sides_show_certificates(authority: Authority, secure_peer: Peer, tmp_path: Path) -> None:
    identity = authority.identity("client.example")
    files = {"root": authority.pem, "key": identity.key, "chain": identity.certificate}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    tls = TlsOptions.from_files(
        root_certificates=tmp_path / "root",
        private_key=tmp_path / "key",
        certificate_chain=tmp_path / "chain",
    )
    with PredictionClient("127.0.0.1", secure_peer.port, tls=tls) as client:
        assert client.score_image(b"123", outputs="lengths") == 3
    named = TlsOptions(
        root_certificates=authority.pem,
        private_key=identity.key,
        certificate_chain=identity.certificate,
        server_name="serving.example",
    )
    with PredictionClient("localhost", secure_peer.port, tls=named) as client:
        assert client.score_image(b"123", outputs="lengths") == 3


def test_a_server_of_another_authority_is_not_trusted(secure_peer: Peer) -> None:
    stranger = Authority()
    identity = stranger.identity("client.example")
    tls = TlsOptions(
        root_certificates=stranger.pem, private_key=identity.key, certificate_chain=identity.certificate
    )
    with (
        PredictionClient("127.0.0.1", secure_peer.port, tls=tls, retry=ONCE) as client,
        pytest.raises(UnavailableError),
    ):
        client.score_image(b"1")
    assert secure_peer.requests == []


def test_a_client_without_a_certificate_is_turned_away(authority: Authority, secure_peer: Peer) -> None:
    tls = TlsOptions(root_certificates=authority.pem)
    with (
        PredictionClient("127.0.0.1", secure_peer.port, tls=tls, retry=ONCE) as client,
        pytest.raises(UnavailableError),
    ):
        client.score_image(b"1")
    assert secure_peer.requests == []


def test_a_name_that_the_certificate_lacks_is_not_trusted(authority: Authority, secure_peer: Peer) -> None:
    identity = authority.identity("client.example")
    tls = TlsOptions(
        root_certificates=authority.pem,
        private_key=identity.key,
        certificate_chain=identity.certificate,
        server_name="other.example",
    )
    with (
        PredictionClient("127.0.0.1", secure_peer.port, tls=tls, retry=ONCE) as client,
        pytest.raises(UnavailableError),
    ):
        client.score_image(b"1")
    assert secure_peer.requests == []


def test_a_key_without_a_certificate_is_refused() -> None:
    with pytest.raises(ValueError, match="belong together"):
        TlsOptions(private_key=b"key")


def test_use_ssl_alone_trusts_the_authorities_that_grpc_ships() -> None:
    assert described(use_ssl=True).tls == TlsOptions()
    assert described(use_ssl=False).tls is None
    assert described(tls=TlsOptions(server_name="x")).target == "host:443"
