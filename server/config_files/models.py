"""``--model_config_file`` and HandleReloadConfigRequest: which models to serve, from where, under which labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from accelserve.models.repository.location import is_remote, local_path
from accelserve.protos import tensorflow_serving as serving
from accelserve.server.config import ModelConfig, model_at, refuse_duplicates
from accelserve.server.errors import ConfigurationError
from accelserve.server.text_format_file import read_text_format
from accelserve.server.version_policy import Everything, Latest, Specific, VersionPolicy

_Policy = serving.FileSystemStoragePathSourceConfig.ServableVersionPolicy


def models_of_file(path: Path) -> tuple[ModelConfig, ...]:
    """The models that a file lists; ConfigurationError if it makes no sense."""
    config = read_text_format(path, serving.ModelServerConfig)
    if config.WhichOneof("config") != "model_config_list":
        found = "it is empty" if config.WhichOneof("config") is None else "it holds a custom_model_config"
        raise ConfigurationError(
            f"{path} lists no models: {found}; expected model_config_list {{ config {{ name: ... base_path: ... }} }}"
        )
    return models_of(config)


def models_of(config: serving.ModelServerConfig) -> tuple[ModelConfig, ...]:
    """The models that a message lists.

    Raises:
        ConfigurationError: it is no list, or a name, a path or a policy in it makes no sense.
    """
    if config.WhichOneof("config") != "model_config_list":
        raise ConfigurationError(
            "ServerModelConfig type not supported by HandleReloadConfigRequest. "
            "Only ModelConfigList is currently supported"
        )
    models = tuple(_model(entry) for entry in config.model_config_list.config)
    refuse_duplicates(models)
    return models


def _model(entry: serving.ModelConfig) -> ModelConfig:
    if not is_remote(entry.base_path) and not local_path(entry.base_path).is_absolute():
        raise ConfigurationError(
            f"Expected model {entry.name} to have an absolute path or URI; got base_path()={entry.base_path}"
        )
    return model_at(
        entry.name,
        entry.base_path,
        policy=_policy(entry.model_version_policy),
        labels=dict(entry.version_labels),
    )


def _policy(policy: _Policy) -> VersionPolicy:
    choice = policy.WhichOneof("policy_choice")
    if choice == "all":
        return Everything()
    if choice == "specific":
        return Specific(frozenset(policy.specific.versions))
    # An empty 'latest {}' means one version, as no policy at all does.
    return Latest(policy.latest.num_versions or 1)


def names_of(models: Sequence[ModelConfig]) -> str:
    """For the log."""
    return ", ".join(model.name for model in models) or "no models"
