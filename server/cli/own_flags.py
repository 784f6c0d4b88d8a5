"""The flags of ``accelserve serve`` that tensorflow_model_server does not have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
_SWITCH: dict[str, Any] = {"type": bool, "is_flag": False, "flag_value": "true"}

_OPTIONS = (
    click.option(
        "--device",
        default="cpu",
        show_default=True,
        help="auto (an FPGA board, else the CPU; the log says why), cpu, cpu:ISA (cpu:generic, cpu:avx2, ...), "
        "fpga, fpga:N, or reference; 'accelserve devices' lists what is here.",
    ),
    click.option("--threads", default=0, show_default="0, all", help="Cores that one image may use."),
    click.option(
        "--cache_dir",
        type=Path,
        show_default="the user's cache folder",
        help="Kept between starts: packed weights, compiled code, remote models. 'none' keeps nothing.",
    ),
    click.option("--grpc_address", default="0.0.0.0", show_default=True, help="Where to listen."),  # noqa: S104 - see GrpcConfig
    click.option("--max_batch_images", default=8, show_default=True, help="Images per call of the device."),
    click.option("--max_queued_images", default=256, show_default=True, help="Per model, before refusing."),
    click.option("--max_queue_delay_ms", default=5000, show_default=True, help="Estimated, before refusing."),
    click.option("--max_images", default=1024, show_default=True, help="In one request."),
    click.option("--max_pixels", default=64_000_000, show_default=True, help="In one picture."),
    click.option(
        "--max_message_bytes", default=2**31 - 1, show_default=True, help="Of one gRPC message, either way."
    ),
    click.option("--max_concurrent_streams", default=1024, show_default=True, help="Calls on a connection."),
    click.option("--receive_timeout_seconds", default=60.0, show_default=True, help="For a gRPC message."),
    click.option("--auth_keys_file", default="", help="Keys that open the server; see 'accelserve keys'."),
    click.option("--tls_key", default="", help="PEM file with the server's private key: TLS on every port."),
    click.option("--tls_certificate", default="", help="PEM file with the server's certificate and chain."),
    click.option("--tls_client_ca", default="", help="PEM file; clients need a certificate that it signed."),
    click.option(
        "--rest_tls",
        show_default="true unless --ssl_config_file is given",
        help="HTTP speaks TLS too, where gRPC does.",
        **_SWITCH,
    ),
    click.option(
        "--remote_poll_wait_seconds",
        default=30.0,
        show_default=True,
        help="Between looks at s3:// and the like.",
    ),
    click.option(
        "--drain_timeout_seconds",
        "drain_seconds",
        default=30.0,
        show_default=True,
        help="From SIGTERM to cutting requests off.",
    ),
    click.option(
        "--drain_delay_seconds",
        default=0.0,
        show_default=True,
        help="From SIGTERM to refusing new requests.",
    ),
    click.option(
        "--start_before_ready",
        default=False,
        show_default=True,
        help="Open the ports before the models are loaded; health tells when they are.",
        **_SWITCH,
    ),
    click.option(
        "--metrics_port", default=0, show_default="0, none", help="Metrics on a port of their own as well."
    ),
    click.option(
        "--log_requests",
        default=False,
        show_default=True,
        help="A line in the log for every request.",
        **_SWITCH,
    ),
    click.option(
        "--usage_notes",
        default=True,
        show_default=True,
        help="Note in the models' folders which versions are loaded, where they may be written; "
        "'accelserve models delete' refuses those.",
        **_SWITCH,
    ),
    click.option("--otel_endpoint", default="", help="host:port of an OpenTelemetry collector for traces."),
)


def own_flags(command: F) -> F:
    """Add all of the above to a click command; the values arrive as keyword arguments of the flags' names."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
