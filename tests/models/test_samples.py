"""What ``accelserve sample`` writes: it answers photographs sensibly, is small, and says whose it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from accelserve import models
from accelserve.kernels.preprocess import preprocess_float, preprocess_spec
from accelserve.models.conversion.source import PREPROCESS_KEY
from accelserve.models.labels import label_list
from accelserve.models.samples import LICENSES, PHOTOGRAPHS, sample_network, write_sample_photographs
from accelserve.server.cli.group import run

ROOM = Path(models.__path__[0]) / "samples"
# What a person would take as right for each photograph, in ImageNet's words.
RIGHT = {
    "chelsea.jpg": {"tabby", "tiger cat", "Egyptian cat"},
    "china.jpg": {"stupa", "palace", "monastery", "dome"},
    "coffee.jpg": {"espresso", "cup", "coffee mug"},
    "rocket.jpg": {"missile", "projectile", "space shuttle"},
}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_sample_photographs(tmp_path_factory.mktemp("photographs"))


def test_the_network_knows_what_the_photographs_show(photographs: list[Path]) -> None:
    model = sample_network().model
    spec = preprocess_spec({entry.key: entry.value for entry in model.metadata_props}[PREPROCESS_KEY])
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for photograph in photographs:
        pixels = preprocess_float(spec, photograph.read_bytes()).transpose(2, 0, 1)
        (scores,) = session.run(None, {"images": np.ascontiguousarray(pixels[None])})
        best = label_list("imagenet")[int(scores[0].argmax())]
        assert best.split(maxsplit=1)[1] in RIGHT[photograph.name], photograph.name


def test_together_they_take_less_than_a_megabyte() -> None:
    assert sum(path.stat().st_size for path in ROOM.rglob("*") if path.suffix != ".pyc") < 10**6


def test_every_file_says_whose_it_is(photographs: list[Path]) -> None:
    text = (photographs[0].parent / LICENSES).read_text(encoding="utf-8")
    assert [name for name in (*PHOTOGRAPHS, "squeezenet.onnx") if name not in text] == []
    assert sample_network().model.doc_string == text
    assert {path.name for path in (ROOM / "photographs").iterdir()} == set(PHOTOGRAPHS)


def test_the_commands_write_files_that_any_tool_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["sample", "photographs"]) == 0
    assert run(["sample", "model"]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[:4] == [f"photographs/{name}" for name in PHOTOGRAPHS]
    assert printed.out.splitlines()[4].startswith("squeezenet.onnx: SqueezeNet 1.1, float32, 5.0 MB")
    onnx.checker.check_model(onnx.load("squeezenet.onnx"), full_check=True)


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert run(["sample", "photographs", "--output", str(tmp_path / "file" / "photographs")]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"accelserve: {tmp_path}/file")
    assert error.count("\n") == 1
