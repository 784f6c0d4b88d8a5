"""Where the server is, how to reach it, and what every call carries."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc
import grpc.aio

DEFAULT_MAX_MESSAGE_BYTES: Final = 512 << 20
"""Fits 64 photographs of 8 MiB each in one request; gRPC's own 4 MiB for answers fits no batch of feature maps."""

_CHANNEL_OPTIONS: Final = (
    # gRPC waits a second before it connects again by default, and fails every call until then.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Load balancers drop idle connections without a word, and the next call would hang; a new one costs a round trip.
    ("grpc.client_idle_timeout_ms", 120_000),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsOptions:
    """Certificates, as PEM.

    Attributes:
        root_certificates: authorities to trust; None is those that gRPC ships.
        private_key: the client's key, for a server that asks for a certificate; with `certificate_chain` or not at all.
        certificate_chain: the client's certificate, followed by those that lead to an authority.
        server_name: the name in the server's certificate, where it is not the address.
    """

    root_certificates: bytes | None = None
    private_key: bytes | None = None
    certificate_chain: bytes | None = None
    server_name: str | None = None

    def __post_init__(self) -> None:
        if (self.private_key is None) != (self.certificate_chain is None):
            raise ValueError("private_key and certificate_chain belong together: give both or neither.")

    @classmethod
    def from_files(
        cls,
        *,
        root_certificates: str | Path | None = None,
        private_key: str | Path | None = None,
        certificate_chain: str | Path | None = None,
        server_name: str | None = None,
    ) -> "TlsOptions":
        """Reads PEM files.

        Raises:
            OSError: a file cannot be read.
            ValueError: a key without a certificate, or the other way round.
        """
        return cls(
            root_certificates=_content(root_certificates),
            private_key=_content(private_key),
            certificate_chain=_content(certificate_chain),
            server_name=server_name,
        )


def _content(path: str | Path | None) -> bytes | None:
    return None if path is None else Path(path).read_bytes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Everything that is needed to open a channel and to authenticate calls on it.

    Attributes:
        target: what gRPC connects to.
        tls: None is plain text.
        metadata: sent with every call.
        max_message_bytes: largest request and largest response.
    """

    target: str
    tls: TlsOptions | None
    metadata: tuple[tuple[str, str], ...]
    max_message_bytes: int

    def open(self) -> grpc.Channel:
        """A channel; it connects at the first call."""
        if self.tls is None:
            return grpc.insecure_channel(self.target, options=self._options())
        return grpc.secure_channel(self.target, _credentials(self.tls), options=self._options())

    def open_aio(self) -> grpc.aio.Channel:
        """A channel for the running event loop; it connects at the first call."""
        if self.tls is None:
            return grpc.aio.insecure_channel(self.target, options=self._options())
        return grpc.aio.secure_channel(self.target, _credentials(self.tls), options=self._options())

    def _options(self) -> Sequence[tuple[str, int | str]]:
        limits = (
            ("grpc.max_send_message_length", self.max_message_bytes),
            ("grpc.max_receive_message_length", self.max_message_bytes),
        )
        if self.tls is None or self.tls.server_name is None:
            return (*_CHANNEL_OPTIONS, *limits)
        return (*_CHANNEL_OPTIONS, *limits, ("grpc.ssl_target_name_override", self.tls.server_name))


def _credentials(tls: TlsOptions) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(tls.root_certificates, tls.private_key, tls.certificate_chain)


def connection(
    address: str,
    port: int | None,
    *,
    use_ssl: bool,
    tls: TlsOptions | None,
    access_token: str,
    service_name: str,
    max_message_bytes: int,
) -> Connection:
    """Checks and joins the arguments of a client.

    Raises:
        ValueError: no address, a port outside 1 to 65535, or a token or name that no header can carry.
    """
    options = tls if tls is not None else TlsOptions() if use_ssl else None
    metadata: list[tuple[str, str]] = []
    if access_token:
        metadata.append(("authorization", f"Bearer {_header_text('access_token', access_token)}"))
    if service_name:
        route = f"/api/v1/service/{_header_text('service_name', service_name)}"
        metadata.append(("x-ms-aml-grpc-service-route", route))
    return Connection(
        target=_target(address, port, is_secure=options is not None),
        tls=options,
        metadata=tuple(metadata),
        max_message_bytes=max_message_bytes,
    )


def _header_text(name: str, text: str) -> str:
    # gRPC would fail inside the call, with a message that shows the token.
    if not text.isascii() or not text.isprintable():
        raise ValueError(f"{name}: expected printable ASCII characters.")
    return text


def _target(address: str, port: int | None, *, is_secure: bool) -> str:
    if not address:
        raise ValueError("address: expected a host name, an IP address or unix:PATH, got an empty string.")
    if address.startswith(("unix:", "unix-abstract:")):
        return address
    if port is None and has_port(address):
        return address
    if port is None:
        port = 443 if is_secure else 80
    if not 1 <= port <= 65535:
        raise ValueError(f"port: expected 1 to 65535, got {port}.")
    # An IPv6 address needs brackets before a port.
    host = f"[{address}]" if ":" in address and not address.startswith("[") else address
    return f"{host}:{port}"


def has_port(address: str) -> bool:
    """Whether an address ends in a port, as HOST:PORT and [IPV6]:PORT do."""
    host, colon, digits = address.rpartition(":")
    is_bare_host = ":" not in host or (host.startswith("[") and host.endswith("]"))
    return bool(colon) and digits.isdecimal() and is_bare_host
