"""tensorflow_model_server's flags, with its names and defaults, as click options."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
_WHOLE = re.compile(r"-?[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag.

    Attributes:
        name: as TensorFlow Serving spells it.
        kind: of its value; a bool may be given as ``--name``, ``--name=true`` or ``--name=false``.
        default: TensorFlow Serving's.
        help: what it does here.
        shown: how help writes the default, where the value itself says little.
    """

    name: str
    kind: type
    default: object
    help: str
    shown: str = ""


FLAGS: tuple[Flag, ...] = (
    Flag("port", int, 8500, "gRPC port; 0 lets the system choose one."),
    Flag("grpc_socket_path", str, "", "Unix socket to listen on as well."),
    Flag("rest_api_port", int, 0, "HTTP port.", "0, no HTTP"),
    Flag("rest_api_num_threads", int, 0, "HTTP requests handled at once; 0 chooses."),
    Flag("rest_api_timeout_in_ms", int, 30_000, "Of one HTTP request."),
    Flag("rest_api_enable_cors_support", bool, False, "Pages of any origin may call."),
    Flag("monitoring_config_file", str, "", "Text-format MonitoringConfig; without it metrics are on."),
    Flag("grpc_max_threads", int, 0, "Requests handled at once; 0 chooses."),
    Flag("grpc_channel_arguments", str, "", "gRPC settings, 'key=value,key=value'."),
    Flag("model_name", str, "default", "What requests call the model. Also MODEL_NAME."),
    Flag("model_base_path", str, "", "Folder whose numeric children are versions. Also MODEL_BASE_PATH."),
    Flag("model_config_file", str, "", "Text-format ModelServerConfig; instead of name and base path."),
    Flag("model_config_file_poll_wait_seconds", float, 0.0, "Between looks at that file; 0 never."),
    Flag("allow_version_labels_for_unavailable_models", bool, False, "Labels may run ahead of loads."),
    Flag("file_system_poll_wait_seconds", float, 1.0, "Between looks for new versions; 0 looks once."),
    Flag("num_load_threads", int, 0, "Loads at once; 0 chooses."),
    Flag("num_unload_threads", int, 0, "Unloads at once; 0 chooses."),
    Flag("max_num_load_retries", int, 5, "Tries after a version's first failure."),
    Flag("load_retry_interval_micros", int, 60_000_000, "From a failure to the next try."),
    Flag("enable_model_warmup", bool, True, "Run a version before it answers: once, and its recorded requests."),
    Flag("num_request_iterations_for_warmup", int, 0, "How often each recorded request is replayed; 0 is once."),
    Flag("ssl_config_file", str, "", "Text-format SSLConfig: TLS for gRPC; for HTTP with --rest_tls."),
    Flag("enable_batching", bool, False, "Form batches as the parameters file says, not adaptively."),
    Flag("batching_parameters_file", str, "", "Text-format BatchingParameters."),
    Flag("enable_per_model_batching_parameters", bool, False, "Versions may bring batching_params.pbtxt."),
    Flag("enable_serialization_as_tensor_content", bool, False, "Answer tensor_content, not typed fields."),
)  # fmt: skip

# Accepted, since start-up scripts pass them; what they would do has no counterpart here, and the log says so.
INERT: tuple[Flag, ...] = tuple(
    Flag(name, str, "", reason)
    for name, reason in {
        "flush_filesystem_caches": "weights are mapped from the cache folder, not read through it",
        "tensorflow_session_parallelism": "there is no TensorFlow session; see --threads",
        "tensorflow_intra_op_parallelism": "there is no TensorFlow session; see --threads",
        "tensorflow_inter_op_parallelism": "there is no TensorFlow session; see --threads",
        "tensorflow_session_config_file": "there is no TensorFlow session",
        "platform_config_file": "there is one platform",
        "per_process_gpu_memory_fraction": "there is no GPU",
        "saved_model_tags": "servables are not SavedModels",
        "remove_unused_fields_from_bundle_metagraph": "servables are not SavedModels",
        "enable_signature_method_name_check": "signatures are checked when a servable is made",
        "prefer_tflite_model": "servables are not TFLite models",
        "num_tflite_interpreters_per_pool": "servables are not TFLite models",
        "num_tflite_pools": "servables are not TFLite models",
        "xla_cpu_compilation_enabled": "there is no XLA",
        "xla_gpu_compilation_enabled": "there is no XLA",
        "mixed_precision": "networks are int8",
        "skip_initialize_tpu": "there is no TPU",
        "enable_profiler": "see 'accelserve profile'",
        "enable_grpc_healthcheck_service": "it is always on",
        "use_alts_credentials": "ALTS works inside Google Cloud only; see --ssl_config_file",
        "thread_pool_factory_config_file": "see --threads",
    }.items()
)


def tensorflow_serving_flags(command: F) -> F:
    """Add all of the above to a click command; the values arrive as keyword arguments of the flags' names."""
    for flag in reversed(FLAGS):
        command = _option(flag)(command)
    for flag in INERT:
        command = click.option(
            f"--{flag.name}", flag.name, is_flag=False, flag_value="true", default=None, hidden=True
        )(command)
    return command


def inert_flags_given(values: dict[str, Any]) -> list[str]:
    """A sentence for each flag that was given and does nothing; takes them out of ``values``."""
    given = [(flag, values.pop(flag.name)) for flag in INERT]
    return [f"--{flag.name} does nothing here: {flag.help}" for flag, value in given if value is not None]


def model_from_environment(name: str | None, base_path: str) -> tuple[str, str]:
    """Name and base path, with MODEL_NAME and MODEL_BASE_PATH where the flags are not given.

    As in TensorFlow Serving's image, MODEL_BASE_PATH is the parent of the models: the base path is
    MODEL_BASE_PATH/MODEL_NAME, and MODEL_NAME alone means ``model``.
    """
    named = name or os.environ.get("MODEL_NAME", "")
    parent = os.environ.get("MODEL_BASE_PATH", "")
    if not base_path and parent:
        named = named or "model"
        base_path = str(Path(parent) / named)
    return named or "default", base_path


def channel_arguments(text: str) -> tuple[tuple[str, int | str], ...]:
    """``key=value,key=value`` to gRPC's settings; click.BadParameter for anything else."""
    pairs: list[tuple[str, int | str]] = []
    for item in filter(None, text.split(",")):
        key, equals, value = item.partition("=")
        if not (key and equals):
            raise click.BadParameter(f"'{item}' is not key=value", param_hint="--grpc_channel_arguments")
        pairs.append((key, int(value) if _WHOLE.fullmatch(value) else value))
    return tuple(pairs)


def _option(flag: Flag) -> Callable[[F], F]:
    if flag.kind is bool:
        return click.option(
            f"--{flag.name}", flag.name, type=bool, is_flag=False, flag_value="true",
            default=flag.default, show_default=True, help=flag.help,
        )  # fmt: skip
    return click.option(
        f"--{flag.name}",
        flag.name,
        type=flag.kind,
        default=flag.default,
        show_default=flag.shown or flag.default != "",
        help=flag.help,
    )
