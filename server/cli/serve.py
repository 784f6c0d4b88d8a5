"""``accelserve serve``."""

from __future__ import annotations

import logging
import os
import signal
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import click

from accelserve.protos import tensorflow_serving as serving
from accelserve.server.cache_folder import cache_folder
from accelserve.server.cli.cluster_flags import cluster_flags, cluster_options
from accelserve.server.cli.first_process import as_first_process
from accelserve.server.cli.flag_sources import former_names
from accelserve.server.cli.group import ENDS_WITH_COMMAND
from accelserve.server.cli.logging_setup import log_to_stderr
from accelserve.server.cli.own_flags import own_flags
from accelserve.server.cli.serve_help import ServeCommand
from accelserve.server.cli.service_manager import service_manager
from accelserve.server.cli.serving_flags import (
    channel_arguments,
    inert_flags_given,
    model_from_environment,
    tensorflow_serving_flags,
)
from accelserve.server.cli.stop_signals import StoppedWhileStarting, StopSignals
from accelserve.server.config import (
    METRICS_PATH,
    BatchingConfig,
    DeviceConfig,
    GrpcConfig,
    LoadingConfig,
    ModelConfig,
    RequestLimits,
    RestConfig,
    SecurityConfig,
    ServerConfig,
    model_at,
)
from accelserve.server.config_files.batching import batching_of, batching_of_file
from accelserve.server.config_files.models import models_of_file
from accelserve.server.config_files.monitoring import metrics_path_of_file
from accelserve.server.core.manager import LOAD_THREADS
from accelserve.server.errors import ConfigurationError
from accelserve.server.tls.files import TlsFiles

_LOADS_AT_ONCE = 2


@click.command(cls=ServeCommand, context_settings=former_names(drain_seconds="drain_timeout_seconds"))
@tensorflow_serving_flags
@own_flags
@cluster_flags
@click.option(
    "--log_level",
    default="info",
    show_default=True,
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="Least that is logged.",
)
@click.option(
    "--log_format",
    default="text",
    show_default=True,
    type=click.Choice(["text", "json"]),
    help="One line a record.",
)
@click.version_option(package_name="accelserve", message="%(package)s %(version)s")
@click.pass_context
def serve(context: click.Context, /, log_level: str, log_format: str, **flags: Any) -> int:
    """Answer TensorFlow Serving's protocol until SIGTERM, then finish what is in flight and exit 0."""
    cluster = cluster_options(context, flags)
    log = partial(log_to_stderr, log_level, as_json=log_format == "json")
    log()
    manager = service_manager(os.environ)  # before a fork, since one of its variables names the process
    as_first_process()
    ends = context.obj is ENDS_WITH_COMMAND
    stop = StopSignals()
    try:
        if context.get_parameter_source("model_name") is click.core.ParameterSource.DEFAULT:
            flags["model_name"] = None
        warnings = inert_flags_given(flags)
        config = server_config(flags)
        if cluster is not None:
            from accelserve.server.cli.serving_on_cluster import serve_on_cluster_until_stopped

            return serve_on_cluster_until_stopped(config, cluster, stop, log, warnings, manager)
        from accelserve.server.cli.serving import serve_until_stopped

        code = serve_until_stopped(config, stop, warnings, manager)
    except StoppedWhileStarting:
        manager.stopping("stopped while starting")
        _end_at_once(0)
    finally:
        if not ends:
            stop.leave()
    if ends:
        _keep(code)
    return code


def _keep(code: int) -> None:
    """Let the process's end change nothing of its exit code, nor wait for what still loads."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # or Python's end gives them back their default actions
    if any(thread.name.startswith(LOAD_THREADS) for thread in threading.enumerate()):
        _end_at_once(code)


def _end_at_once(code: int) -> NoReturn:
    """End while other threads compile, which cannot be interrupted and has nothing to finish."""
    logging.shutdown()
    os._exit(code)


def server_config(flags: dict[str, Any]) -> ServerConfig:
    """The flags as a validated configuration; ConfigurationError if they make no sense."""
    config_file = Path(flags["model_config_file"]) if flags["model_config_file"] else None
    cache = cache_folder(flags["cache_dir"])
    return ServerConfig(
        models=_models(flags, config_file),
        model_config_file=config_file,
        model_config_poll_seconds=flags["model_config_file_poll_wait_seconds"],
        allow_unavailable_labels=flags["allow_version_labels_for_unavailable_models"],
        device=DeviceConfig(name=flags["device"], threads=flags["threads"], cache=cache),
        grpc=GrpcConfig(
            address=flags["grpc_address"],
            port=flags["port"],
            socket_path=flags["grpc_socket_path"],
            max_threads=flags["grpc_max_threads"],
            channel_arguments=channel_arguments(flags["grpc_channel_arguments"]),
            tensor_content=flags["enable_serialization_as_tensor_content"],
        ),
        rest=RestConfig(
            address=flags["grpc_address"],
            port=flags["rest_api_port"] or None,
            threads=flags["rest_api_num_threads"],
            timeout_ms=flags["rest_api_timeout_in_ms"],
            cors=flags["rest_api_enable_cors_support"],
            metrics_path=metrics_path_of_file(Path(flags["monitoring_config_file"]))
            if flags["monitoring_config_file"]
            else METRICS_PATH,
        ),
        loading=LoadingConfig(
            poll_seconds=flags["file_system_poll_wait_seconds"],
            load_threads=flags["num_load_threads"] or _LOADS_AT_ONCE,
            unload_threads=flags["num_unload_threads"] or 1,
            max_retries=flags["max_num_load_retries"],
            retry_seconds=flags["load_retry_interval_micros"] / 1e6,
            remote_cache=None if cache is None else cache / "remote",
            remote_poll_seconds=flags["remote_poll_wait_seconds"],
            warm_up=flags["enable_model_warmup"],
            warm_up_iterations=flags["num_request_iterations_for_warmup"] or 1,
        ),
        batching=_batching(flags),
        limits=RequestLimits(
            max_message_bytes=flags["max_message_bytes"],
            max_images=flags["max_images"],
            max_pixels=flags["max_pixels"],
            max_streams=flags["max_concurrent_streams"],
            receive_seconds=flags["receive_timeout_seconds"],
        ),
        metrics_port=flags["metrics_port"] or None,
        drain_seconds=flags["drain_seconds"],
        drain_delay_seconds=flags["drain_delay_seconds"],
        start_before_ready=flags["start_before_ready"],
        log_requests=flags["log_requests"],
        otel_endpoint=flags["otel_endpoint"],
        security=_security(flags),
        usage_notes=flags["usage_notes"],
    )


def _models(flags: dict[str, Any], config_file: Path | None) -> tuple[ModelConfig, ...]:
    if config_file is not None:
        return models_of_file(config_file)
    name, base_path = model_from_environment(flags["model_name"], flags["model_base_path"])
    return (model_at(name, base_path),) if base_path else ()


def _security(flags: dict[str, Any]) -> SecurityConfig:
    text, pem = flags["ssl_config_file"], ("tls_key", "tls_certificate", "tls_client_ca")
    files: TlsFiles | None = None
    if text or any(flags[name] for name in pem):
        key, certificate, authorities = (Path(flags[name]) if flags[name] else None for name in pem)
        files = TlsFiles(
            ssl_config=Path(text) if text else None,
            key=key,
            certificate=certificate,
            authorities=authorities,
        )
    # TensorFlow Serving's file is about gRPC only, and probes of its HTTP port speak plain text.
    rest_tls = flags["rest_tls"] if flags["rest_tls"] is not None else not text
    return SecurityConfig(
        keys_file=Path(flags["auth_keys_file"]) if flags["auth_keys_file"] else None,
        tls=files,
        rest_tls=rest_tls,
    )


def _batching(flags: dict[str, Any]) -> BatchingConfig:
    if flags["batching_parameters_file"] and not flags["enable_batching"]:
        raise ConfigurationError("--batching_parameters_file needs --enable_batching")
    if flags["enable_batching"]:
        path = flags["batching_parameters_file"]
        explicit = batching_of_file(Path(path)) if path else batching_of(serving.BatchingParameters())
        return replace(explicit, per_model=flags["enable_per_model_batching_parameters"])
    return BatchingConfig(
        max_batch_images=flags["max_batch_images"],
        max_queued_images=flags["max_queued_images"],
        max_queue_delay_ms=flags["max_queue_delay_ms"],
        per_model=flags["enable_per_model_batching_parameters"],
    )
