"""The flags of ``accelserve serve`` that are about a cluster, and those that mean nothing on one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from accelserve.server.cluster.options import ClusterOptions
from accelserve.server.errors import ConfigurationError

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--cluster",
        default="",
        show_default="none: this process answers",
        help="Replicas on Ray Serve: 'local' starts a cluster of this machine, 'ray://HOST[:PORT]' takes an existing one.",
    ),
    click.option("--min_replicas", default=1, show_default=True, help="At least so many run."),
    click.option(
        "--max_replicas", type=int, show_default="as the cluster's CPUs hold", help="At most so many."
    ),
    click.option(
        "--target_ongoing_requests",
        default=4.0,
        show_default=True,
        help="Per replica, that the autoscaler aims at.",
    ),
)
_ONLY_ON_A_CLUSTER = ("min_replicas", "max_replicas", "target_ongoing_requests")

_TLS = "Ray Serve's proxy speaks no TLS: end TLS in a load balancer or ingress in front of its port"
_REST = "replicas answer gRPC only"
_LISTENS = "Ray Serve's proxy listens on every address of its node, and on no socket"
_RECEIVES = "Ray Serve's proxy receives the messages, and cannot be told"

# Flag -> why it is refused with --cluster.
REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "tls_key": _TLS,
        "tls_certificate": _TLS,
        "tls_client_ca": _TLS,
        "ssl_config_file": _TLS,
        "rest_tls": _TLS,
        "rest_api_port": _REST,
        "rest_api_num_threads": _REST,
        "rest_api_timeout_in_ms": _REST,
        "rest_api_enable_cors_support": _REST,
        "grpc_address": _LISTENS,
        "grpc_socket_path": _LISTENS,
        "grpc_channel_arguments": _RECEIVES,
        "max_message_bytes": "Ray Serve's proxy reads RAY_SERVE_GRPC_MAX_MESSAGE_SIZE on its node",
        "max_concurrent_streams": _RECEIVES,
        "receive_timeout_seconds": _RECEIVES,
        "start_before_ready": "the proxies' ports open by themselves; health tells when the models are there",
        "drain_delay_seconds": "Ray Serve takes a replica out of its proxies before it stops it",
    }
)


def cluster_flags(command: F) -> F:
    """Add the cluster's flags to a click command; the values arrive as keyword arguments of the flags' names."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def cluster_options(context: click.Context, flags: dict[str, Any]) -> ClusterOptions | None:
    """What the flags say of a cluster, None if there is none; takes the cluster's own flags out of ``flags``.

    Args:
        context: says which flags were given, on the command line, by variables or in a file.
        flags: their values.

    Raises:
        ConfigurationError: a flag makes no sense here; the message says why.
    """
    own = {name: flags.pop(name) for name in ("cluster", *_ONLY_ON_A_CLUSTER)}

    def given(name: str) -> bool:
        return context.get_parameter_source(name) is not ParameterSource.DEFAULT

    if not own["cluster"]:
        for name in filter(given, _ONLY_ON_A_CLUSTER):
            raise ConfigurationError(f"--{name} needs --cluster")
        return None
    for name, reason in REFUSED.items():
        if given(name):
            raise ConfigurationError(f"--{name} does not go with --cluster: {reason}")
    if flags["port"] == 0:
        raise ConfigurationError("--port=0 does not go with --cluster: the proxies of all nodes share a port")
    if not flags["device"].startswith(("cpu", "reference")):
        raise ConfigurationError(
            f"--device={flags['device']} does not go with --cluster: replicas do not share out FPGA boards; "
            "start one server for each board"
        )
    return ClusterOptions(address=own.pop("cluster"), **own)
