"""``accelserve healthcheck``."""

from __future__ import annotations

from typing import Any

import click
import grpc

from accelserve.server.cli.server_options import server_options, tls_given


@click.command
@server_options("127.0.0.1:8500")
@click.option("--service", default="", help="Of a service or a model; the whole server if not given.")
@click.option("--timeout", default=5.0, show_default=True, help="Seconds.")
def healthcheck(address: str, service: str, timeout: float, **tls: Any) -> int:
    """Ask a server how it is, for a container's health check: exit code 0 if it serves, 1 if not."""
    from accelserve.protos import grpc_health_v1 as health
    from accelserve.protos.services import HealthService

    # A container's proxy settings are not meant for a server in the same container.
    options: list[tuple[str, int | str]] = [("grpc.enable_http_proxy", 0)]
    given = tls_given(**tls)
    if given is None:
        channel = grpc.insecure_channel(address, options)
    else:
        if given.server_name:
            options.append(("grpc.ssl_target_name_override", given.server_name))
        credentials = grpc.ssl_channel_credentials(
            given.root_certificates, given.private_key, given.certificate_chain
        )
        channel = grpc.secure_channel(address, credentials, options)
    with channel:
        request = health.HealthCheckRequest(service=service)
        answer = HealthService.CHECK.stub(channel)(request, timeout=timeout)
    name = health.HealthCheckResponse.ServingStatus.Name(answer.status)
    click.echo(name)
    return 0 if answer.status == health.HealthCheckResponse.SERVING else 1
