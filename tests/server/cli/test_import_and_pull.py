"""``accelserve pull`` and ``accelserve import``, as a user types them."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from safetensors.numpy import save
from tests.models.weights.file_server import FileServer, serve_file

from accelserve.models.architectures import PublishedWeights, architecture
from accelserve.models.weights import published
from accelserve.server.cli.group import run

pytestmark = pytest.mark.usefixtures("no_progress")


def test_random_weights_become_an_onnx_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "net.onnx"
    code = run(
        [
            "import",
            "--architecture",
            "resnet18",
            "--random-seed",
            "3",
            "--outputs",
            "logits,features",
            "-o",
            str(output),
        ]
    )
    assert code == 0
    assert "resnet18, float32, 46.8 MB, answers with logits, features" in capsys.readouterr().out
    assert [o.name for o in onnx.load(output).graph.output] == ["logits", "features"]


@pytest.mark.parametrize(
    "arguments",
    [[], ["--architecture", "resnet18"], ["--random-seed", "1"], [__file__, "--random-seed", "1"]],
)
def test_import_needs_a_source_or_a_seed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert run(["import", *arguments, "-o", str(tmp_path / "net.onnx")]) == 2
    assert "either SOURCE, or --architecture with --random-seed" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--architecture", "lenet", "--random-seed", "0"], "no architecture is named 'lenet'"),
        (["--architecture", "resnet18", "--random-seed", "0", "--outputs", "boxes"], "no output"),
        ([__file__], "of no known kind"),
    ],
)
def test_an_import_that_fails_is_one_line_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert run(["import", *arguments, "-o", str(tmp_path / "net.onnx")]) == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_pull_downloads_verifies_and_imports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    described = architecture("resnet18")
    parameters = described.blueprint().parameters
    content = save({name: np.full(p.shape, 0.5, np.float16) for name, p in parameters.items()})
    file = f"resnet18-{hashlib.sha256(content).hexdigest()[:8]}.safetensors"
    weights = PublishedWeights(url=f"https://example.invalid/{file}", resize=232)
    known = dataclasses.replace(described, published=weights)
    monkeypatch.setattr(published, "architecture", lambda _: known)
    with serve_file(FileServer(content, cut_after=[1_000_000])) as server:
        command = ["pull", "resnet18", "--cache_dir", str(tmp_path / "cache"), "--mirror", server.url]
        assert run([*command, "-o", str(tmp_path / "net.onnx")]) == 0
    assert capsys.readouterr().out.splitlines() == [
        str(tmp_path / "cache" / file),
        str(tmp_path / "net.onnx"),
    ]
    assert server.ranges == [None, "bytes=1000000-"]
    onnx.checker.check_model(onnx.load(tmp_path / "net.onnx"))


def test_a_pull_that_fails_its_hash_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serve_file(FileServer(b"not the weights")) as server:
        assert run(["pull", "resnet50", "--cache_dir", str(tmp_path), "--mirror", server.url]) == 1
    error = capsys.readouterr().err
    assert "expected 11ad3fa6" in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
