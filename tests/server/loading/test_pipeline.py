"""A version goes through every stage, in the order of the list, and is closed if one refuses it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from accelserve.server.config import BatchingConfig, LoadingConfig, ModelConfig, ServerConfig
from accelserve.server.core.servable import ServableId
from accelserve.server.dataplane.servable import ImageServable
from accelserve.server.errors import LoadError
from accelserve.server.loading.pipeline import LoadingPipeline, loading_stages
from accelserve.server.loading.stages import Load, Stage, Version
from accelserve.server.scheduler.parameters import BatchingTable

MODEL = ServableId("colour", 1)


@pytest.fixture
def folder(tmp_path: Path, publish: Callable[..., Path]) -> Path:
    return publish(tmp_path / "colour", 1)


def config_of(folder: Path, *, warm_up: bool = True) -> ServerConfig:
    model = ModelConfig(name="colour", base_path=folder.parent)
    return ServerConfig(models=(model,), loading=LoadingConfig(warm_up=warm_up))


def recording(name: str, happened: list[str]) -> Stage:
    def stage(_version: Version, load: Load) -> ImageServable:
        happened.append(f"{name} begins")
        servable = load()
        happened.append(f"{name} ends")
        return servable

    return stage


def test_a_stage_stands_around_those_behind_it(folder: Path, colour_loader: Any) -> None:
    happened: list[str] = []
    pipeline = LoadingPipeline(colour_loader(), [recording("outer", happened), recording("inner", happened)])
    servable = pipeline.load(MODEL, folder)
    assert happened == ["outer begins", "inner begins", "inner ends", "outer ends"]
    assert tuple(servable.labels) == ("red", "green", "blue")


def test_a_version_that_a_stage_refuses_is_closed(folder: Path, colour_loader: Any) -> None:
    def refuse(_version: Version, load: Load) -> ImageServable:
        load()
        raise LoadError("not this one")

    loader = colour_loader()
    pipeline = LoadingPipeline(loader, [recording("outer", []), refuse])
    with pytest.raises(LoadError, match="not this one"):
        pipeline.load(MODEL, folder)
    assert loader.loaded[MODEL].closed


def test_what_the_device_cannot_load_is_no_stage_s_business(folder: Path, colour_loader: Any) -> None:
    (folder / "gain.txt").write_text("no number")
    announced: list[str] = []
    stages = loading_stages(
        config_of(folder),
        BatchingTable(BatchingConfig()),
        lambda model, _servable: announced.append(model),
    )
    with pytest.raises(LoadError, match="cannot be served"):
        LoadingPipeline(colour_loader(), stages).load(MODEL, folder)
    assert announced == []


@pytest.mark.parametrize("warm", [True, False])
def test_a_version_is_warm_before_it_is_announced(folder: Path, colour_network: Any, warm: bool) -> None:
    happened: list[str] = []

    class Network(colour_network):  # type: ignore[misc]
        def warm_up(self) -> None:
            happened.append("warm")

    class OneLoader:
        def load(self, _servable_id: ServableId, _path: Path) -> ImageServable:
            network: ImageServable = Network(1.0)
            return network

    config = config_of(folder, warm_up=warm)
    stages = loading_stages(
        config, BatchingTable(config.batching), lambda model, _servable: happened.append(model)
    )
    LoadingPipeline(OneLoader(), stages).load(MODEL, folder)
    assert happened == (["warm", "colour"] if warm else ["colour"])
