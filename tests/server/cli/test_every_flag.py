"""Every flag of tensorflow_model_server is accepted, with its name and its default."""

from __future__ import annotations

import click
import pytest

from accelserve.server.cli.group import accelserve
from accelserve.server.cli.serving_flags import FLAGS, INERT

# Written down from tensorflow_model_server itself, in its order. None: what it chooses depends on the machine.
TENSORFLOW_SERVING: dict[str, object] = {
    "port": 8500,
    "grpc_socket_path": "",
    "rest_api_port": 0,
    "rest_api_num_threads": None,
    "rest_api_timeout_in_ms": 30000,
    "rest_api_enable_cors_support": False,
    "model_name": "default",
    "model_base_path": "",
    "model_config_file": "",
    "model_config_file_poll_wait_seconds": 0,
    "file_system_poll_wait_seconds": 1,
    "allow_version_labels_for_unavailable_models": False,
    "num_load_threads": 0,
    "num_unload_threads": 0,
    "max_num_load_retries": 5,
    "load_retry_interval_micros": 60_000_000,
    "enable_batching": False,
    "batching_parameters_file": "",
    "enable_per_model_batching_parameters": False,
    "enable_model_warmup": True,
    "num_request_iterations_for_warmup": 0,
    "grpc_channel_arguments": "",
    "grpc_max_threads": None,
    "ssl_config_file": "",
    "enable_serialization_as_tensor_content": False,
    "monitoring_config_file": "",
}
WITHOUT_MEANING = {
    "enable_grpc_healthcheck_service",
    "flush_filesystem_caches",
    "tensorflow_session_parallelism",
    "tensorflow_intra_op_parallelism",
    "tensorflow_inter_op_parallelism",
    "tensorflow_session_config_file",
    "platform_config_file",
    "per_process_gpu_memory_fraction",
    "saved_model_tags",
    "remove_unused_fields_from_bundle_metagraph",
    "enable_signature_method_name_check",
    "prefer_tflite_model",
    "num_tflite_interpreters_per_pool",
    "num_tflite_pools",
    "xla_cpu_compilation_enabled",
    "mixed_precision",
    "skip_initialize_tpu",
    "enable_profiler",
    "use_alts_credentials",
    "thread_pool_factory_config_file",
}


def defaults() -> dict[str, object]:
    group = accelserve.make_context("accelserve", ["serve"])
    command = accelserve.get_command(group, "serve")
    assert command is not None
    return command.make_context("serve", [], parent=group).params


@pytest.mark.parametrize(("name", "default"), TENSORFLOW_SERVING.items(), ids=TENSORFLOW_SERVING.keys())
def test_name_and_default(name: str, default: object) -> None:
    found = defaults()[name]
    if default is not None:
        assert found == default
        assert isinstance(found, bool) == isinstance(default, bool)


def test_flags_that_make_no_sense_here_are_accepted() -> None:
    assert {flag.name for flag in INERT} >= WITHOUT_MEANING


def test_no_flag_goes_by_a_name_that_is_not_written_down_here() -> None:
    assert {flag.name for flag in FLAGS} == set(TENSORFLOW_SERVING)


def test_version_says_it_and_ends() -> None:
    group = accelserve.make_context("accelserve", ["serve"])
    command = accelserve.get_command(group, "serve")
    assert command is not None
    with pytest.raises(click.exceptions.Exit) as ended:
        command.make_context("serve", ["--version"], parent=group)
    assert ended.value.exit_code == 0
