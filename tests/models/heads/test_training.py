"""Transfer learning as a user does it: folders of photographs in, a served classifier out."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import accelserve.models
from accelserve.client import ModelSelection
from accelserve.kernels.devices.discovery import open_device
from accelserve.models.errors import ModelNameError, TrainingError
from accelserve.models.heads.attachment import Layer
from accelserve.models.heads.linear_head import split
from accelserve.models.heads.training import CONFUSION_FILE, HeadOptions, TrainedHead, train_head
from accelserve.models.repository import MODEL_FILE, read_manifest, verify
from accelserve.server.cli.group import accelserve as accelserve_group
from tests.models.real_server import served

CLASSES = ("cat", "pagoda", "rocket")


def options(backbone: Path, name: str, **changes: object) -> HeadOptions:
    return HeadOptions(name=name, repository=backbone.parent.parent, **changes)  # type: ignore[arg-type]


def train(backbone: Path, pictures: Path, name: str, **changes: object) -> TrainedHead:
    return train_head(backbone, pictures, options(backbone, name, **changes), device=open_device("cpu"))


@pytest.fixture(scope="module", params=["float32", "int8"])
def trained(request: pytest.FixtureRequest, backbone: Path, pieces: Path) -> TrainedHead:
    return train(backbone, pieces, f"photographs-{request.param}", layer=request.param)


def layer_of(trained: TrainedHead) -> Layer:
    return "int8" if trained.directory.parent.name.endswith("int8") else "float32"


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.jpg"))


def test_held_out_pictures_are_told_apart_by_either_layer(trained: TrainedHead) -> None:
    assert trained.classes == CLASSES
    assert (trained.trained, trained.tested) == (39, 9)
    assert set(trained.accuracy) == {"float32", "int8"}
    assert min(trained.accuracy.values()) >= 8 / 9
    assert trained.confusion.sum(axis=1).tolist() == [3, 3, 3]
    assert trained.fit.folds == 5
    assert trained.skipped == ()


def test_served_answers_are_the_trained_heads(trained: TrainedHead, backbone: Path, pieces: Path) -> None:
    pictures = [path.read_bytes() for path in files(pieces)]
    labels = np.repeat(np.arange(3), 16)
    name = trained.directory.parent.name
    with served(trained.directory.parent, backbone.parent) as server:
        probabilities = server.client.score_images(pictures, model=ModelSelection(name=name))
        own, base = (
            server.client.score_images(pictures, model=ModelSelection(name=model, signature_name="features"))
            for model in (name, backbone.parent.name)
        )
    assert isinstance(probabilities, np.ndarray)
    assert isinstance(own, np.ndarray)
    assert isinstance(base, np.ndarray)
    np.testing.assert_array_equal(own, base)
    expected = trained.fit.head.probabilities(own.reshape(48, -1))
    # int8 weights move a probability by less than a hundredth here; float ones by rounding alone
    np.testing.assert_allclose(probabilities, expected, atol=0.02 if layer_of(trained) == "int8" else 1e-5)
    _, test = split(labels, 0.2, 0)
    served_accuracy = (probabilities[test].argmax(axis=1) == labels[test]).mean()
    assert served_accuracy == trained.accuracy[layer_of(trained)]


def test_the_manifest_tells_where_the_head_comes_from(trained: TrainedHead, backbone: Path) -> None:
    manifest, base = verify(trained.directory), read_manifest(backbone)
    layer = layer_of(trained)
    assert manifest.labels == CLASSES
    assert set(manifest.signatures) == {"serving_default", "features"}
    assert manifest.signatures["serving_default"].outputs["output_alias"].shape == (-1, 3)
    assert manifest.preprocess == base.preprocess
    assert manifest.provenance.source_sha256 == base.provenance.source_sha256
    assert manifest.tags["head_base"] == "open-nsfw/1"
    assert manifest.tags["head_base_sha256"] == base.files[MODEL_FILE].sha256
    assert manifest.tags["head_held_out_accuracy"] == f"{trained.accuracy[layer]:.4f}"
    assert f"{layer} layer, seed 0" in manifest.tags["head"]
    with Image.open(trained.directory / CONFUSION_FILE) as picture:
        assert min(picture.size) > 300


def test_training_again_publishes_the_same_bytes_and_a_head_on_a_head_works(
    backbone: Path, pieces: Path, tmp_path: Path
) -> None:
    two = tmp_path / "two"
    for name in CLASSES[:2]:
        (two / name).mkdir(parents=True)
        for file in files(pieces / name)[:4]:
            shutil.copy(file, two / name)
    first, second = (train(backbone, two, "twice") for _ in range(2))
    assert (first.directory.name, second.directory.name) == ("1", "2")
    for name in (MODEL_FILE, CONFUSION_FILE):
        assert (first.directory / name).read_bytes() == (second.directory / name).read_bytes()
    onward = train(first.directory, two, "onward")
    assert read_manifest(onward.directory).labels == CLASSES[:2]
    np.testing.assert_array_equal(onward.fit.head.weights, first.fit.head.weights)


def test_pictures_that_cannot_be_read_are_named_and_passed_over(
    backbone: Path, pieces: Path, tmp_path: Path
) -> None:
    for name in CLASSES[:2]:
        (tmp_path / name).mkdir()
        for file in files(pieces / name)[:3]:
            shutil.copy(file, tmp_path / name)
    (tmp_path / "cat" / "broken.jpg").write_bytes(b"not a picture")
    (tmp_path / "cat" / "notes.txt").write_text("not meant as a picture")
    (tmp_path / ".thumbnails").mkdir()
    found = train(backbone, tmp_path, "some", test_share=0)
    assert [path.name for path, _ in found.skipped] == ["broken.jpg"]
    assert found.skipped[0][1].startswith("Unknown image file format.")
    assert (found.trained, found.tested, found.accuracy) == (6, 0, {})
    assert not (found.directory / CONFUSION_FILE).exists()
    for file in files(tmp_path / "cat")[:2]:
        file.write_bytes(b"")
    with pytest.raises(
        TrainingError, match=r"class 'cat' has 1 usable pictures \(3 of all could not be read\)"
    ):
        train(backbone, tmp_path, "fewer")


@pytest.mark.parametrize(
    ("folders", "complaint"),
    [
        ({}, "for each of two classes or more, has none"),
        ({"cat": 3}, "for each of two classes or more, has only 'cat'"),
        ({"cat": 3, "dog": 1}, "class 'dog' has 1 usable pictures, needs 2 or more"),
        ({"cat": 3, "dog": 0}, "class 'dog' has 0 usable pictures, needs 2 or more"),
    ],
    ids=["none", "one-class", "one-picture", "empty"],
)
def test_too_few_classes_or_pictures_are_one_sentence(
    backbone: Path, pieces: Path, tmp_path: Path, folders: dict[str, int], complaint: str
) -> None:
    for name, count in folders.items():
        (tmp_path / name).mkdir()
        for file in files(pieces)[:count]:
            shutil.copy(file, tmp_path / name)
    with pytest.raises(TrainingError, match=complaint):
        train(backbone, tmp_path, "none")
    assert not (backbone.parent.parent / "none").exists()


def test_the_backbones_own_name_and_senseless_options_are_refused(backbone: Path, pieces: Path) -> None:
    with pytest.raises(ModelNameError, match="is the network that is trained on; choose another name"):
        train(backbone, pieces, "open-nsfw")
    with pytest.raises(TrainingError, match="0 or more and below 1, got 1"):
        options(backbone, "x", test_share=1.0)
    with pytest.raises(TrainingError, match="layer 'int4' is none of float32, int8"):
        options(backbone, "x", layer="int4")


def test_featurize_gives_what_is_served_and_takes_paths_bytes_and_models(
    backbone: Path, pieces: Path
) -> None:
    paths = files(pieces)[:10]
    features = accelserve.models.featurize(backbone, paths, device="cpu")
    assert features.shape == (10, 1, 1, 1024)
    assert features.dtype == np.float32
    again = accelserve.models.featurize(str(backbone.parent), [path.read_bytes() for path in paths[:2]])
    np.testing.assert_array_equal(again, features[:2])


def test_the_command_prints_accuracy_and_publishes(backbone: Path, pieces: Path) -> None:
    command = [sys.executable, "-m", "accelserve.server.cli", "train-head"]
    done = subprocess.run(
        [*command, backbone.parent, pieces, "--name=typed", "--test-share=0.25", "--seed=1", "--device=cpu"],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("trained on 36 pictures of 3 classes; C ")
    assert any(line.startswith("accuracy on 12 held-out pictures: ") for line in lines)
    directory = backbone.parent.parent / "typed" / "1"
    assert lines[-1] == f"published {directory}: labels cat, pagoda, rocket"
    manifest = read_manifest(directory)
    share = float(manifest.tags["head_held_out_accuracy"])
    assert any(f"held-out pictures: {share:.1%}" in line for line in lines)


def test_the_command_publishes_where_the_variable_of_all_commands_says(
    backbone: Path, pieces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCELSERVE_REPOSITORY", str(tmp_path))
    done = CliRunner().invoke(
        accelserve_group, ["train-head", str(backbone), str(pieces), "--name=typed", "--device=cpu"]
    )
    assert done.exit_code == 0, done.output
    assert [path.name for path in (tmp_path / "typed").glob("[0-9]*")] == ["1"]


def test_the_command_refuses_in_one_line(backbone: Path, tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    command = [sys.executable, "-m", "accelserve.server.cli", "train-head"]
    done = subprocess.run(
        [*command, backbone, tmp_path, "--name=x"], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"accelserve: {tmp_path} needs one folder of pictures for each of two classes or more, has only 'cat'\n"
    )
