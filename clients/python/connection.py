"""Where the server is, how to reach it, and what every call carries."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc
import grpc.aio

from accelserve.client.addresses import Addresses, read_addresses

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
        server_name: the name in the servers' certificates, where it is not the address.
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
        addresses: where the servers are.
        watch_health: leave out servers that say that they do not serve, where calls are balanced.
        tls: None is plain text.
        metadata: sent with every call.
        max_message_bytes: largest request and largest response.
    """

    addresses: Addresses
    watch_health: bool
    tls: TlsOptions | None
    metadata: tuple[tuple[str, str], ...]
    max_message_bytes: int

    @property
    def target(self) -> str:
        """The addresses, for messages."""
        return str(self.addresses)

    def open(self) -> grpc.Channel:
        """A channel; it connects at the first call.

        Raises:
            OSError: a name of several cannot be resolved.
        """
        target = self.addresses.target()
        if self.tls is None:
            return grpc.insecure_channel(target, options=self._options())
        return grpc.secure_channel(target, _credentials(self.tls), options=self._options())

    def open_aio(self) -> grpc.aio.Channel:
        """A channel for the running event loop; it connects at the first call.

        Raises:
            OSError: a name of several cannot be resolved.
        """
        target = self.addresses.target()
        if self.tls is None:
            return grpc.aio.insecure_channel(target, options=self._options())
        return grpc.aio.secure_channel(target, _credentials(self.tls), options=self._options())

    def _options(self) -> Sequence[tuple[str, int | str]]:
        options: list[tuple[str, int | str]] = [
            *_CHANNEL_OPTIONS,
            ("grpc.max_send_message_length", self.max_message_bytes),
            ("grpc.max_receive_message_length", self.max_message_bytes),
        ]
        balancing = self.addresses.service_config(watch_health=self.watch_health)
        if balancing is not None:
            options.append(("grpc.service_config", balancing))
        if self.tls is not None and (name := self._certificate_name(self.tls)) is not None:
            options.append(("grpc.ssl_target_name_override", name))
        return options

    def _certificate_name(self, tls: TlsOptions) -> str | None:
        """The name that certificates are checked for; None is what gRPC takes from the target."""
        if tls.server_name is not None or len(self.addresses.each) == 1:
            return tls.server_name
        return self.addresses.common_host()


def _credentials(tls: TlsOptions) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(tls.root_certificates, tls.private_key, tls.certificate_chain)


def connection(
    address: str | Sequence[str],
    port: int | None,
    *,
    use_ssl: bool,
    tls: TlsOptions | None,
    access_token: str,
    service_name: str,
    max_message_bytes: int,
    watch_health: bool = True,
) -> Connection:
    """Checks and joins the arguments of a client.

    Raises:
        ValueError: no address, a port outside 1 to 65535, servers whose certificates have no name in common, or a token or
            name that no header can carry.
    """
    options = tls if tls is not None else TlsOptions() if use_ssl else None
    metadata: list[tuple[str, str]] = []
    if access_token:
        metadata.append(("authorization", f"Bearer {_header_text('access_token', access_token)}"))
    if service_name:
        route = f"/api/v1/service/{_header_text('service_name', service_name)}"
        metadata.append(("x-ms-aml-grpc-service-route", route))
    addresses = read_addresses(address, port, is_secure=options is not None)
    if options is not None and options.server_name is None:
        _check_one_name(addresses)
    return Connection(
        addresses=addresses,
        watch_health=watch_health,
        tls=options,
        metadata=tuple(metadata),
        max_message_bytes=max_message_bytes,
    )


def _check_one_name(addresses: Addresses) -> None:
    # gRPC checks the certificates of all IP addresses of a target for one name.
    if len(addresses.each) > 1 and addresses.common_host() is None:
        raise ValueError(
            f"address: {addresses} have no host name in common to check certificates for; "
            "give the name that they all have, tls=TlsOptions(server_name=...)."
        )


def _header_text(name: str, text: str) -> str:
    # gRPC would fail inside the call, with a message that shows the token.
    if not text.isascii() or not text.isprintable():
        raise ValueError(f"{name}: expected printable ASCII characters.")
    return text
