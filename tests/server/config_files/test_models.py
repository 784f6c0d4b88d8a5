"""TensorFlow Serving's model configuration, as its users write it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import grpc
import pytest
from google.protobuf import text_format

from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import ModelService
from accelserve.server.config_files.batching import batching_of_file
from accelserve.server.config_files.models import models_of_file
from accelserve.server.config_files.watcher import ModelConfigWatcher
from accelserve.server.errors import ConfigurationError
from accelserve.server.version_policy import Everything, Latest, Specific

Serve = Callable[..., SimpleNamespace]

WHOLE = """
model_config_list {
  config {
    name: 'resnet50' base_path: '/models/resnet50' model_platform: 'tensorflow'
    model_version_policy { specific { versions: 42 versions: 43 } }
    version_labels { key: 'stable' value: 42 }
    version_labels { key: 'canary' value: 43 }
  }
  config { name: 'a' base_path: '/models/a' }
  config { name: 'b' base_path: '/models/b' model_version_policy { latest { num_versions: 2 } } }
  config { name: 'c' base_path: '/models/c' model_version_policy { all {} } }
}
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "models.config"
    path.write_text(text)
    return path


def test_a_whole_file(tmp_path: Path) -> None:
    first, a, b, c = models_of_file(written(tmp_path, WHOLE))
    assert (first.name, first.base_path) == ("resnet50", Path("/models/resnet50"))
    assert first.policy == Specific(frozenset({42, 43}))
    assert first.labels == {"stable": 42, "canary": 43}
    assert [model.policy for model in (a, b, c)] == [Latest(1), Latest(2), Everything()]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model_config_list { config { name: 'a' base_path: 'b' } }", "to have an absolute path or URI; got base_path()=b"),
        ("model_config_list { config { base_path: '/b' } }", "a model needs a name"),
        (
            "model_config_list { config { name: 'a' base_path: '/b' } config { name: 'a' base_path: '/c' } }",
            "Illegal to list model a multiple times in config list",
        ),
        ("model_config_lists {}", "not a tensorflow.serving.ModelServerConfig in text format: 1:1"),
        ("", "models.config lists no models: it is empty; expected model_config_list {"),
        (" # nothing yet\n", "models.config lists no models: it is empty; expected model_config_list {"),
        ("custom_model_config {}", "models.config lists no models: it holds a custom_model_config;"),
        (WHOLE[: len(WHOLE) // 2], "models.config is not a tensorflow.serving.ModelServerConfig in text format: "),
        (
            "model_config_list { config { name: 'a' base_path: '/b' model_version_policy { specific {} } } }",
            "'specific' lists no versions",
        ),
    ],
    ids=["relative-path", "no-name", "twice", "misspelt", "empty", "only-a-comment", "custom", "half-written", "specific-nothing"],
)  # fmt: skip
def test_faults(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        models_of_file(written(tmp_path, text))
    assert words in str(caught.value)


def config(**base_paths: Path) -> serving.ModelServerConfig:
    entries = [serving.ModelConfig(name=name, base_path=str(path)) for name, path in base_paths.items()]
    return serving.ModelServerConfig(model_config_list=serving.ModelConfigList(config=entries))


def reload(server: SimpleNamespace, wanted: serving.ModelServerConfig) -> serving.ReloadConfigResponse:
    call = ModelService.HANDLE_RELOAD_CONFIG_REQUEST.stub(server.channel)
    return call(serving.ReloadConfigRequest(config=wanted), timeout=60)


def names(server: SimpleNamespace) -> list[str]:
    return [str(servable_id) for servable_id in server.server.registry.available()]


def test_a_reload_is_the_complete_desired_state(serve: Serve, publish: Callable[..., Path]) -> None:
    server = serve()
    publish(server.folder / "second", 4)
    publish(server.folder / "third", 5)
    reload(server, config(second=server.folder / "second", third=server.folder / "third"))
    assert set(names(server)) >= {"second/4", "third/5"}
    response = reload(server, config(third=server.folder / "third"))
    assert response.status.error_code == 0
    assert server.server.registry.states.wait_until(lambda: names(server) == ["third/5"], 240)


def test_a_reload_of_another_kind_is_refused(serve: Serve) -> None:
    server = serve()
    with pytest.raises(grpc.RpcError) as caught:
        reload(server, serving.ModelServerConfig())
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == (
        "ServerModelConfig type not supported by HandleReloadConfigRequest. "
        "Only ModelConfigList is currently supported"
    )
    assert names(server) == ["colour/1"]


def test_a_label_for_an_unloaded_version_is_refused(serve: Serve) -> None:
    server = serve()
    wanted = config(colour=server.folder / "colour")
    wanted.model_config_list.config[0].version_labels["next"] = 2
    with pytest.raises(grpc.RpcError) as caught:
        reload(server, wanted)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert caught.value.details() == (
        "Request to assign label to version 2 of model colour, which is not currently available for inference"
    )


def test_one_bad_path_does_not_hold_up_the_rest(serve: Serve, publish: Callable[..., Path]) -> None:
    server = serve()
    publish(server.folder / "second", 4)
    with pytest.raises(grpc.RpcError) as caught:
        reload(server, config(bad=server.folder / "nowhere", second=server.folder / "second"))
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "Could not find base path" in str(caught.value.details())
    assert "second/4" in names(server)


def test_a_changed_file_is_applied_and_a_broken_one_is_reported_once(
    serve: Serve, publish: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    server = serve()
    publish(server.folder / "second", 4)
    both = config(colour=server.folder / "colour", second=server.folder / "second")
    path = written(server.folder, text_format.MessageToString(config(colour=server.folder / "colour")))
    watcher = ModelConfigWatcher(path, 0, server.server.registry.reload)
    path.write_text("model_config_list {")
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            watcher.look()
    assert sum("was not applied" in record.getMessage() for record in caplog.records) == 1
    assert names(server) == ["colour/1"]
    path.write_text(text_format.MessageToString(both))
    watcher.look()
    assert names(server) == ["colour/1", "second/4"]


def test_batching_parameters(tmp_path: Path) -> None:
    made = batching_of_file(
        written(
            tmp_path,
            "max_batch_size { value: 128 } batch_timeout_micros { value: 500 } allowed_batch_sizes: 128",
        )
    )
    assert (made.max_batch_images, made.batch_timeout_us, made.max_queued_images) == (128, 500, 1280)
    assert made.explicit


def test_batch_sizes_that_do_not_end_with_the_maximum_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match="allowed_batch_sizes must increase and end with max_batch_size"
    ):
        batching_of_file(written(tmp_path, "max_batch_size { value: 128 } allowed_batch_sizes: 64"))
