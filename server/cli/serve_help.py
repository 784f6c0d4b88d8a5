"""The help of ``accelserve serve``: its flags by what they are about."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import click

SECTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Models": (
            "model_name",
            "model_base_path",
            "model_config_file",
            "model_config_file_poll_wait_seconds",
            "allow_version_labels_for_unavailable_models",
            "file_system_poll_wait_seconds",
            "remote_poll_wait_seconds",
            "num_load_threads",
            "num_unload_threads",
            "max_num_load_retries",
            "load_retry_interval_micros",
            "enable_model_warmup",
            "num_request_iterations_for_warmup",
            "usage_notes",
        ),
        "gRPC": (
            "grpc_address",
            "port",
            "grpc_socket_path",
            "grpc_max_threads",
            "grpc_channel_arguments",
            "enable_serialization_as_tensor_content",
        ),
        "HTTP, which is off without a port": (
            "rest_api_port",
            "rest_api_num_threads",
            "rest_api_timeout_in_ms",
            "rest_api_enable_cors_support",
        ),
        "Computing": ("device", "threads", "cache_dir"),
        "Batching": (
            "max_batch_images",
            "enable_batching",
            "batching_parameters_file",
            "enable_per_model_batching_parameters",
        ),
        "Limits": (
            "max_queued_images",
            "max_queue_delay_ms",
            "max_images",
            "max_pixels",
            "max_message_bytes",
            "max_concurrent_streams",
            "receive_timeout_seconds",
        ),
        "Keys and TLS": (
            "auth_keys_file",
            "tls_key",
            "tls_certificate",
            "tls_client_ca",
            "ssl_config_file",
            "rest_tls",
        ),
        "On a cluster": ("cluster", "min_replicas", "max_replicas", "target_ongoing_requests"),
        "Start and stop": ("start_before_ready", "drain_timeout_seconds", "drain_delay_seconds"),
        "Log, metrics and traces": (
            "log_level",
            "log_format",
            "log_requests",
            "monitoring_config_file",
            "metrics_port",
            "otel_endpoint",
        ),
    }
)


class ServeCommand(click.Command):
    """Prints flags in sections; what is in none of them comes last."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections; see the class."""
        records = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                records[parameter.opts[0].lstrip("-")] = record
        for title, names in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([records.pop(name) for name in names])
        with formatter.section("Others"):
            formatter.write_dl(list(records.values()))
