"""``accelserve healthcheck``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click
import grpc

from accelserve.server.cli.server_options import server_options, tls_given

if TYPE_CHECKING:
    from accelserve.client import TlsOptions

_AGAIN_SECONDS = 0.1
# What a server answers, or nobody does, while it starts: it does not listen, or does not know the model yet.
_NOT_YET = frozenset(
    (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.NOT_FOUND)
)


@click.command
@server_options("127.0.0.1:8500")
@click.option("--service", default="", help="Of a service or a model; the whole server if not given.")
@click.option("--timeout", default=5.0, show_default=True, help="Seconds for an answer.")
@click.option(
    "--wait", default=0.0, help="Seconds to go on asking until it serves, for scripts that started it."
)
def healthcheck(address: str, service: str, timeout: float, wait: float, **tls: Any) -> int:
    """Ask a server how it is, for a container's health check: exit code 0 if it serves, 1 if not."""
    from accelserve.client.retry import LONGEST_CALL_S
    from accelserve.protos import grpc_health_v1 as health
    from accelserve.protos.services import HealthService

    request = health.HealthCheckRequest(service=service)
    end = time.monotonic() + wait
    with _channel(address, tls_given(**tls)) as channel:
        check = HealthService.CHECK.stub(channel)
        while True:
            last = time.monotonic() + _AGAIN_SECONDS > end
            try:
                status = check(request, timeout=min(timeout, LONGEST_CALL_S)).status
            except grpc.RpcError as error:
                if last or not isinstance(error, grpc.Call) or error.code() not in _NOT_YET:
                    raise
            else:
                if last or status == health.HealthCheckResponse.SERVING:
                    break
            time.sleep(_AGAIN_SECONDS)
    click.echo(health.HealthCheckResponse.ServingStatus.Name(status))
    return 0 if status == health.HealthCheckResponse.SERVING else 1


def _channel(address: str, given: TlsOptions | None) -> grpc.Channel:
    options: list[tuple[str, int | str]] = [
        ("grpc.enable_http_proxy", 0),  # a container's proxy is not meant for a server in the same container
        ("grpc.initial_reconnect_backoff_ms", int(1000 * _AGAIN_SECONDS)),
        ("grpc.max_reconnect_backoff_ms", int(5000 * _AGAIN_SECONDS)),
    ]
    if given is None:
        return grpc.insecure_channel(address, options)
    if given.server_name:
        options.append(("grpc.ssl_target_name_override", given.server_name))
    credentials = grpc.ssl_channel_credentials(
        given.root_certificates, given.private_key, given.certificate_chain
    )
    return grpc.secure_channel(address, credentials, options)
