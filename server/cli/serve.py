"""``accelserve serve``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from accelserve.protos import tensorflow_serving as serving
from accelserve.server.cli.logging_setup import log_to_stderr
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
    ServerConfig,
)
from accelserve.server.config_files.batching import batching_of, batching_of_file
from accelserve.server.config_files.models import models_of_file
from accelserve.server.config_files.monitoring import metrics_path_of_file
from accelserve.server.errors import ConfigurationError

_LOADS_AT_ONCE = 2


@click.command
@tensorflow_serving_flags
@click.option("--device", default="cpu", show_default=True, help="cpu, cpu:generic, fpga:0, reference, ...")
@click.option("--threads", default=0, help="Cores that one image may use; 0 takes all.")
@click.option(
    "--cache_dir", type=Path, help="Kept between starts: packed weights, compiled code. 'none' keeps nothing."
)
@click.option("--grpc_address", default="0.0.0.0", show_default=True, help="Where to listen.")  # noqa: S104 - see GrpcConfig
@click.option("--max_batch_images", default=8, show_default=True, help="Images per call of the device.")
@click.option("--max_queued_images", default=256, show_default=True, help="Per model, before refusing.")
@click.option("--max_queue_delay_ms", default=5000, show_default=True, help="Estimated, before refusing.")
@click.option("--max_images", default=1024, show_default=True, help="In one request.")
@click.option("--max_pixels", default=64_000_000, show_default=True, help="In one picture.")
@click.option(
    "--drain_seconds", default=30.0, show_default=True, help="From SIGTERM to cutting requests off."
)
@click.option("--drain_delay_seconds", default=0.0, help="From SIGTERM to refusing new requests.")
@click.option("--metrics_port", default=0, help="Metrics on a port of their own as well; 0 is none.")
@click.option("--log_level", default="info", type=click.Choice(["debug", "info", "warning", "error"]))
@click.pass_context
def serve(context: click.Context, /, log_level: str, **flags: Any) -> int:
    """Answer TensorFlow Serving's protocol until SIGTERM, then finish what is in flight and exit 0."""
    log_to_stderr(log_level)
    stop = StopSignals()
    if context.get_parameter_source("model_name") is click.core.ParameterSource.DEFAULT:
        flags["model_name"] = None
    warnings = inert_flags_given(flags)
    config = server_config(flags)
    try:
        from accelserve.server.cli.serving import serve_until_stopped

        return serve_until_stopped(config, stop, warnings)
    except StoppedWhileStarting:
        return 0


def server_config(flags: dict[str, Any]) -> ServerConfig:
    """The flags as a validated configuration; ConfigurationError if they make no sense."""
    config_file = Path(flags["model_config_file"]) if flags["model_config_file"] else None
    return ServerConfig(
        models=_models(flags, config_file),
        model_config_file=config_file,
        model_config_poll_seconds=flags["model_config_file_poll_wait_seconds"],
        allow_unavailable_labels=flags["allow_version_labels_for_unavailable_models"],
        device=DeviceConfig(name=flags["device"], threads=flags["threads"], cache=_cache(flags["cache_dir"])),
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
        ),
        batching=_batching(flags),
        limits=RequestLimits(max_images=flags["max_images"], max_pixels=flags["max_pixels"]),
        metrics_port=flags["metrics_port"] or None,
        drain_seconds=flags["drain_seconds"],
        drain_delay_seconds=flags["drain_delay_seconds"],
    )


def _models(flags: dict[str, Any], config_file: Path | None) -> tuple[ModelConfig, ...]:
    if config_file is not None:
        return models_of_file(config_file)
    name, base_path = model_from_environment(flags["model_name"], flags["model_base_path"])
    return (ModelConfig(name=name, base_path=Path(base_path)),) if base_path else ()


def _batching(flags: dict[str, Any]) -> BatchingConfig:
    if flags["batching_parameters_file"] and not flags["enable_batching"]:
        raise ConfigurationError("--batching_parameters_file needs --enable_batching")
    if flags["enable_batching"]:
        path = flags["batching_parameters_file"]
        return batching_of_file(Path(path)) if path else batching_of(serving.BatchingParameters())
    return BatchingConfig(
        max_batch_images=flags["max_batch_images"],
        max_queued_images=flags["max_queued_images"],
        max_queue_delay_ms=flags["max_queue_delay_ms"],
    )


def _cache(given: Path | None) -> Path | None:
    """The folder given, or the user's own cache folder, or none where that cannot be written."""
    if given is not None:
        return None if str(given) == "none" else given
    home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    folder = Path(home) / "accelserve"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None
