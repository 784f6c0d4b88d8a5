"""Flags of the commands that ask a server: where it is, and what it proves itself by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from accelserve.client import TlsOptions

F = TypeVar("F", bound=Callable[..., Any])

_PORT = 8500
_PEM = click.Path(exists=True, dir_okay=False, path_type=Path)


def server_options(default_address: str) -> Callable[[F], F]:
    """Adds ``--address`` and the flags of TLS; the command gets ``address`` with a port, and ``tls_given``'s arguments."""
    address = click.option(
        "--address",
        default=default_address,
        show_default=True,
        callback=lambda _context, _parameter, address: with_port(address),
        help=f"HOST, HOST:PORT or unix:PATH; the port is {_PORT} if not given.",
    )
    return lambda command: address(tls_options(command))


def token_option(command: F) -> F:
    """Adds ``--token``; the command gets ``token``, empty if there is none."""
    option = click.option(
        "--token",
        default="",
        envvar="ACCELSERVE_TOKEN",
        callback=_header,
        help="Key to send. Also ACCELSERVE_TOKEN.",
    )
    return option(command)


def _header(context: click.Context, parameter: click.Parameter, token: str) -> str:
    """The key as it is; click.BadParameter for one that no header carries."""
    if not (token.isascii() and token.isprintable()):
        raise click.BadParameter("expected printable ASCII characters", context, parameter)
    return token


def tls_options(command: F) -> F:
    """Adds the flags of TLS alone; the command gets ``tls_given``'s arguments."""
    options = (
        click.option("--tls", is_flag=True, help="The server speaks TLS."),
        click.option("--tls_ca", type=_PEM, help="PEM file of who signed the server's certificate; implies --tls."),
        click.option("--tls_server_name", default="", help="Name in the certificate, if it is not the address."),
        click.option("--tls_client_key", type=_PEM, help="PEM file, where the server wants a client's certificate."),
        click.option("--tls_client_certificate", type=_PEM, help="PEM file, likewise."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def tls_given(
    *,
    tls: bool,
    tls_ca: Path | None,
    tls_server_name: str,
    tls_client_key: Path | None,
    tls_client_certificate: Path | None,
) -> TlsOptions | None:
    """The certificates, None for plain text; click.UsageError for a key without a certificate and the like."""
    from accelserve.client import TlsOptions

    if not (tls or tls_ca or tls_client_key or tls_client_certificate):
        return None
    try:
        return TlsOptions.from_files(
            root_certificates=tls_ca,
            private_key=tls_client_key,
            certificate_chain=tls_client_certificate,
            server_name=tls_server_name or None,
        )
    except ValueError as error:
        raise click.UsageError("--tls_client_key and --tls_client_certificate belong together.") from error


def with_port(address: str) -> str:
    """A person who types a host means our port; the client in code keeps 443 and 80, as the Azure SDK's has them."""
    from accelserve.client.addresses import read_addresses

    try:
        return ",".join(read_addresses(address, _PORT, is_secure=False).each)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
