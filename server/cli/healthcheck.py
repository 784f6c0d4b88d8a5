"""``accelserve healthcheck``."""

from __future__ import annotations

from pathlib import Path

import click
import grpc

_PEM = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command
@click.option("--address", default="127.0.0.1:8500", show_default=True, help="host:port, or unix:PATH.")
@click.option("--service", default="", help="Of a service or a model; the whole server if not given.")
@click.option("--timeout", default=5.0, show_default=True, help="Seconds.")
@click.option("--tls", is_flag=True, help="The server speaks TLS.")
@click.option("--tls_ca", type=_PEM, help="PEM file of who signed the server's certificate.")
@click.option("--tls_server_name", default="", help="Name in the certificate, if it is not the address.")
@click.option("--tls_client_key", type=_PEM, help="PEM file, where the server wants a client's certificate.")
@click.option("--tls_client_certificate", type=_PEM, help="PEM file, likewise.")
def healthcheck(
    address: str,
    service: str,
    timeout: float,
    tls: bool,
    tls_ca: Path | None,
    tls_server_name: str,
    tls_client_key: Path | None,
    tls_client_certificate: Path | None,
) -> int:
    """Ask a server how it is, for a container's health check: exit code 0 if it serves, 1 if not."""
    from accelserve.protos import grpc_health_v1 as health
    from accelserve.protos.services import HealthService

    # A container's proxy settings are not meant for a server in the same container.
    options: list[tuple[str, int | str]] = [("grpc.enable_http_proxy", 0)]
    if tls or tls_ca:
        if tls_server_name:
            options.append(("grpc.ssl_target_name_override", tls_server_name))
        credentials = grpc.ssl_channel_credentials(
            _bytes(tls_ca), _bytes(tls_client_key), _bytes(tls_client_certificate)
        )
        channel = grpc.secure_channel(address, credentials, options)
    else:
        channel = grpc.insecure_channel(address, options)
    with channel:
        request = health.HealthCheckRequest(service=service)
        answer = HealthService.CHECK.stub(channel)(request, timeout=timeout)
    name = health.HealthCheckResponse.ServingStatus.Name(answer.status)
    click.echo(name)
    return 0 if answer.status == health.HealthCheckResponse.SERVING else 1


def _bytes(path: Path | None) -> bytes | None:
    return None if path is None else path.read_bytes()
