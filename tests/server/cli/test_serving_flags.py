"""tensorflow_model_server's flags, in every spelling that start-up scripts use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from accelserve.kernels.devices.discovery import device_kinds
from accelserve.kernels.errors import DeviceError
from accelserve.server.cli.group import accelserve
from accelserve.server.cli.serve import serve, server_config
from accelserve.server.cli.serving_flags import FLAGS, INERT, inert_flags_given
from accelserve.server.config import ServerConfig
from accelserve.server.errors import ConfigurationError
from accelserve.server.loading.device import ServableLoader


def flags(*arguments: str) -> dict[str, Any]:
    """What the command would be called with."""
    group = accelserve.make_context("accelserve", ["serve", *arguments])
    command = accelserve.get_command(group, "serve")
    assert command is not None
    return command.make_context("serve", list(arguments), parent=group).params


def config(*arguments: str) -> ServerConfig:
    return server_config(flags(*arguments))


def test_a_user_without_a_home_is_told_of_the_flag_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def homeless(path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")  # as pathlib says it

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "expanduser", homeless)
    assert config("--model_base_path=/models/m").device.cache is None
    assert [record.getMessage() for record in caplog.records] == [
        (
            "every start compiles the models again, since this user has no home folder, and HOME and XDG_CACHE_HOME are not "
            "set; name a folder with --cache_dir"
        )
    ]


def test_so_is_one_whose_cache_is_no_folder(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    (tmp_path / "accelserve").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert config("--model_base_path=/models/m").device.cache is None
    assert "--cache_dir" in caplog.text


def test_defaults_are_tensorflow_servings() -> None:
    made = config("--model_base_path=/models/m")
    assert made.models[0].name == "default"
    assert made.grpc.port == 8500
    assert made.loading.poll_seconds == 1
    assert made.loading.max_retries == 5
    assert made.loading.retry_seconds == 60
    assert not made.grpc.tensor_content


@pytest.mark.parametrize(
    "spelling",
    [
        ["--model_base_path=/models/m"],
        ["--model_base_path", "/models/m"],
        ["--model-base-path=/models/m"],
        ["--model-base-path", "/models/m"],
    ],
    ids=" ".join,
)
def test_spellings(spelling: list[str]) -> None:
    assert config(*spelling).models[0].base_path == Path("/models/m")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["--enable_serialization_as_tensor_content"], True),
        (["--enable_serialization_as_tensor_content=true"], True),
        (["--enable_serialization_as_tensor_content=false"], False),
        (["--enable-serialization-as-tensor-content=1", "--port=1"], True),
    ],
    ids=str,
)
def test_booleans(given: list[str], expected: bool) -> None:
    assert config("--model_base_path=/m", *given).grpc.tensor_content is expected


@pytest.mark.parametrize("flag", INERT, ids=lambda flag: flag.name)
def test_flags_without_meaning_are_accepted_and_named(flag: Any) -> None:
    values = flags(f"--{flag.name}=1")
    assert inert_flags_given(values) == [f"--{flag.name} does nothing here: {flag.help}"]
    assert flag.name not in values


def test_flags_are_listed_once() -> None:
    names = [flag.name for flag in (*FLAGS, *INERT)]
    assert len(names) == len(set(names))


def test_the_help_names_every_kind_of_device() -> None:
    (option,) = [parameter for parameter in serve.params if parameter.name == "device"]
    help_text = getattr(option, "help", "")
    assert {kind for kind in device_kinds() if kind not in help_text} == set()
    assert "cpu:ISA" in help_text
    assert "fpga:N" in help_text


def test_the_last_of_a_repeated_flag_wins() -> None:
    assert config("--model_base_path=/a", "--port=1", "--model_base_path=/b", "--port=2").grpc.port == 2


def test_the_environment_means_what_it_means_in_tensorflow_servings_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MODEL_BASE_PATH", "/models")
    values = flags()
    values["model_name"] = None  # as the command does when the flag is not given
    assert server_config(values).models[0].base_path == Path("/models/model")
    monkeypatch.setenv("MODEL_NAME", "resnet50")
    model = server_config(values).models[0]
    assert (model.name, model.base_path) == ("resnet50", Path("/models/resnet50"))
    assert config("--model_name=a", "--model_base_path=/b").models[0].base_path == Path("/b")


def test_channel_arguments() -> None:
    made = config("--model_base_path=/m", "--grpc_channel_arguments=grpc.max_connection_age_ms=5000,grpc.x=y")
    assert made.grpc.channel_arguments == (("grpc.max_connection_age_ms", 5000), ("grpc.x", "y"))


@pytest.mark.parametrize("text", ["--5", "\N{SUPERSCRIPT TWO}", "9" * 5000])
def test_what_only_looks_like_a_number_is_text_to_grpc(text: str) -> None:
    made = config("--model_base_path=/m", f"--grpc_channel_arguments=grpc.x={text}")
    assert made.grpc.channel_arguments == (("grpc.x", text),)


def test_nothing_to_serve_says_what_to_set() -> None:
    with pytest.raises(ConfigurationError, match="nothing to serve: set --model_base_path"):
        config()


@pytest.mark.parametrize(
    ("given", "on_http"),
    [
        (["--ssl_config_file=/s"], False),  # as in TensorFlow Serving, whose file is about gRPC
        (["--ssl_config_file=/s", "--rest_tls"], True),
        (["--tls_key=/k", "--tls_certificate=/c"], True),
        (["--tls_key=/k", "--tls_certificate=/c", "--rest_tls=false"], False),
    ],
    ids=str,
)
def test_which_doors_speak_tls(given: list[str], on_http: bool) -> None:
    security = config("--model_base_path=/m", *given).security
    assert security.tls is not None
    assert security.rest_tls is on_http


def test_remote_base_paths_are_kept_in_the_cache_folder(tmp_path: Path) -> None:
    made = config("--model_base_path=s3://bucket/m", f"--cache_dir={tmp_path}")
    assert made.models[0].origin == "s3://bucket/m"
    assert made.loading.remote_cache == tmp_path / "remote"
    assert config("--model_base_path=file:///models/m").models[0].base_path == Path("/models/m")


def test_draining_goes_by_both_names() -> None:
    assert config("--model_base_path=/m", "--drain_timeout_seconds=7").drain_seconds == 7
    assert config("--model_base_path=/m", "--drain-seconds=8").drain_seconds == 8


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--metrics_port=70000", r"--metrics_port must be in 0\.\.65535, got 70000"),
        ("--drain_seconds=-1", "drain_seconds and drain_delay_seconds must not be negative"),
        ("--drain_delay_seconds=-1", "drain_seconds and drain_delay_seconds must not be negative"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(flag: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        config("--model_base_path=/m", flag)


def test_fewer_threads_than_none_are_refused() -> None:
    settings = config("--model_base_path=/m", "--threads=-1")
    with pytest.raises(DeviceError, match="threads is -1; expected a number of workers, or 0 for every core"):
        ServableLoader(settings.device, settings.limits)
