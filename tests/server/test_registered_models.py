"""The registry by the Azure SDK's names, in its order: register, convert, label, serve, delete."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.server.serve_process import PHOTOS, SPEC, train

import accelserve
from accelserve.models.errors import (
    ModelNotFoundError,
    RecordExistsError,
    RecordNotFoundError,
    RegistryError,
    StillUsedError,
)
from accelserve.models.registry.records import ImageRecord, Records
from accelserve.server.loaded_versions import UnseenServerError

PREPROCESS = json.dumps(SPEC.to_json())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("trained"))


@pytest.fixture
def network(trained: Path, tmp_path: Path) -> accelserve.Model:
    """A registered float network."""
    return accelserve.Model.register(
        tmp_path / "models",
        model_path=trained / "tiny.onnx",
        model_name="tiny",
        tags={"team": "vision"},
        properties={"camera": "7"},
        description="as trained",
    )


def converted(network: accelserve.Model, trained: Path, **options: Any) -> accelserve.Model:
    return accelserve.AccelOnnxConverter.convert(
        network, calibrate=trained / "photos", preprocess=PREPROCESS, cache_dir="none", **options
    )


def test_from_registering_to_deleting(network: accelserve.Model, trained: Path, tmp_path: Path) -> None:
    repository = tmp_path / "models"
    assert (network.id, network.kind, network.description, network.tags, network.properties) == (
        "tiny:1", "network", "as trained", {"team": "vision"}, {"camera": "7"},
    )  # fmt: skip
    model = converted(network, trained)
    assert (model.name, model.version, model.kind) == ("tiny-int8", 1, "servable")
    assert model.parent is not None
    assert (model.parent.registered, model.parent.source) == ("tiny:1", "tiny.onnx")
    assert sorted(model.signatures) == ["features", "serving_default"]
    model.add_label("stable")
    second = converted(network, trained, description="again")
    assert (second.version, second.description) == (2, "again")
    assert second.promote("stable") == (1, 2)
    assert accelserve.Model(repository, name="tiny-int8", version="stable").id == "tiny-int8:2"
    assert accelserve.Model.roll_back(repository, "tiny-int8", "stable") == (2, 1)
    assert [each.id for each in accelserve.Model.list(repository, latest=True)] == ["tiny:1", "tiny-int8:2"]

    with accelserve.Server(
        {"tiny-int8": repository / "tiny-int8"}, port=0, device="reference", cache_dir="none"
    ) as server:
        address = server.address
        stable = accelserve.ModelSelection(version_label="stable")
        with accelserve.PredictionClient(address) as client:
            scores = client.score_file(PHOTOS[0], model=stable)
        assert np.asarray(scores).shape == (4,)
        with pytest.raises(StillUsedError, match=f"is still used by the server {address}"):
            second.delete(servers=[address])
    model.remove_label("stable")
    with pytest.raises(UnseenServerError, match=f"could not see whether it is loaded by {address}: "):
        second.delete(servers=[address])
    for each in (second, model, network):
        each.delete()
    assert accelserve.Model.list(repository) == []
    with pytest.raises(ModelNotFoundError):
        model.refresh()


def test_azure_order_is_kept(network: accelserve.Model, trained: Path, tmp_path: Path) -> None:
    model = converted(network, trained)
    records = Records(str(tmp_path / "models"))
    records.add_image(ImageRecord(name="web", tag="1", model=model.name, version=model.version))
    with pytest.raises(StillUsedError, match="by image 'web:1'; delete images first, then the model"):
        model.delete(force=True)
    assert model.refresh().information.images == ("web:1",)


def test_tags_and_properties_are_changed_and_found(network: accelserve.Model, tmp_path: Path) -> None:
    network.add_tags({"stage": "test"})
    network.remove_tags(["team"])
    network.add_properties({"site": "north"})
    assert (network.tags, network.properties) == ({"stage": "test"}, {"camera": "7", "site": "north"})
    network.update(tags={"a": "b"}, description="renamed")
    assert (network.refresh().tags, network.description) == ({"a": "b"}, "renamed")
    repository = tmp_path / "models"
    for tags in ({"a": "b"}, {"a": None}, ["a"], [["a", "b"]]):
        assert [each.id for each in accelserve.Model.list(repository, tags=tags)] == ["tiny:1"]
        assert accelserve.Model(repository, "tiny", tags=tags).id == "tiny:1"
    with pytest.raises(RegistryError, match="no version of tiny has these tags and properties"):
        accelserve.Model(repository, "tiny", tags={"a": "c"})


def test_a_model_is_found_by_name_or_by_id(network: accelserve.Model, tmp_path: Path) -> None:
    repository = tmp_path / "models"
    for model in (
        accelserve.Model(repository, "tiny"),
        accelserve.Model(repository, id="tiny:1"),
        accelserve.Model(repository, "tiny", version=1),
        accelserve.Model(str(repository), name="tiny", version="latest"),
    ):
        assert model.url == network.url
    assert repr(network) == f"Model('{repository}', id='tiny:1')"
    with pytest.raises(RegistryError, match="by its name or by its id: give one of them"):
        accelserve.Model(repository)
    with pytest.raises(ModelNotFoundError, match="has no version 2 of model 'tiny'"):
        accelserve.Model(repository, "tiny", version=2)


def test_what_cannot_be_is_refused(network: accelserve.Model, trained: Path, tmp_path: Path) -> None:
    model = converted(network, trained)
    with pytest.raises(RegistryError, match="tiny-int8:1 is a servable already"):
        converted(model, trained)
    with pytest.raises(RecordExistsError, match="has versions that are float networks; take another name"):
        converted(network, trained, name="tiny")
    with pytest.raises(RecordExistsError, match="has versions that are float networks; take another name"):
        accelserve.convert(
            trained / "tiny.onnx", name="tiny", repository=tmp_path / "models", preprocess=PREPROCESS
        )
    with pytest.raises(RecordNotFoundError, match="has no label 'stable'"):
        model.promote("stable")
    with pytest.raises(RegistryError, match="is a float network, which no server serves"):
        network.add_label("stable")


def test_files_are_downloaded_and_copied(network: accelserve.Model, trained: Path, tmp_path: Path) -> None:
    file = network.download(tmp_path / "here")
    assert file.read_bytes() == (trained / "tiny.onnx").read_bytes()
    model = converted(network, trained)
    with accelserve.load(model.download(tmp_path / "here"), device="reference", cache_dir="none") as loaded:
        assert loaded.predict([PHOTOS[0]])["output_alias"].shape == (1, 4)
    copy = model.copy_to(tmp_path / "there")
    assert copy.information.files == model.information.files
    assert Path(copy.url) == tmp_path / "there" / "tiny-int8" / "1"
