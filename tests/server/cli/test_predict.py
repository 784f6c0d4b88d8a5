"""``accelserve predict`` against real servers: folders, pictures that are none, JSON, features, TLS, addresses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import skimage

from accelserve.models.quantize.pictures import SUFFIXES as CALIBRATED
from accelserve.server.cli.answers import Answer
from accelserve.server.cli.group import run
from accelserve.server.cli.predict import SUFFIXES, _names_for
from accelserve.server.cli.server_options import with_port

pytestmark = pytest.mark.usefixtures("no_progress")
DATA = Path(skimage.__file__).parent / "data"
Serve = Callable[..., SimpleNamespace]
Printed = Callable[..., SimpleNamespace]


@pytest.fixture
def predict(serve: Serve, capsys: pytest.CaptureFixture[str]) -> Printed:
    server = serve()

    def ask(*words: object) -> SimpleNamespace:
        code = run(["predict", "--address", f"127.0.0.1:{server.server.port}", *map(str, words)])
        printed = capsys.readouterr()
        return SimpleNamespace(code=code, out=printed.out, err=printed.err)

    return ask


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "pictures"
    path.mkdir()
    (path / "b.jpg").write_bytes((DATA / "rocket.jpg").read_bytes())
    (path / "a.PNG").write_bytes((DATA / "astronaut.png").read_bytes())
    (path / "notes.txt").write_text("no picture")
    return path


def test_a_folder_is_its_pictures_by_name(predict: Printed, folder: Path) -> None:
    done = predict(folder, "--top=1")
    assert done.code == 0
    assert done.out.index("a.PNG") < done.out.index("b.jpg")
    assert "notes" not in done.out


def test_labels_are_a_shipped_list_or_a_file(predict: Printed, folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.txt"
    own.write_text("rot\ngrün\nblau\n", encoding="utf-8")
    assert predict(folder, "--labels=voc").code == 0
    assert "grün" in predict(folder, f"--labels={own}").out
    refused = predict(folder, "--labels=vocc")
    assert refused.code == 2
    assert "'vocc' is none of coco, imagenet, voc, and cannot be read as a file" in refused.err


@pytest.mark.parametrize(("classes", "first"), [(1000, "n01440764 tench"), (1001, "background")])
def test_a_shipped_list_has_the_background_where_the_network_has(classes: int, first: str) -> None:
    answer = Answer(Path("a.jpg"), {"probabilities": np.zeros(classes, np.float32)}, 1.0, "net", 1, "")
    names = _names_for(answer, "imagenet")
    assert (len(names), names[0]) == (classes, first)


def test_a_picture_that_is_none_is_named_and_the_others_are_answered(predict: Printed, folder: Path) -> None:
    (folder / "b.bmp").write_bytes(b"BM, and then nothing")
    missing = folder / "missing.jpg"
    done = predict(folder, missing)
    assert done.code == 1
    assert "a.PNG" in done.out
    assert "b.jpg" in done.out
    broken, not_there = done.err.splitlines()
    assert broken.startswith(f"accelserve: {folder}/b.bmp: ")
    assert not_there == f"accelserve: {missing}: No such file or directory"


def test_an_unknown_signature_is_named_once_and_not_for_every_picture(predict: Printed, folder: Path) -> None:
    done = predict(folder, folder, "--signature", "nope")
    assert done.code == 1
    assert done.err.count('Serving signature key "nope" not found') == 1


def test_a_folder_without_pictures_is_refused(predict: Printed, tmp_path: Path) -> None:
    done = predict(tmp_path)
    assert done.code == 2
    assert (
        f"{tmp_path} holds no picture (.jpg, .jpeg, .png, .gif, .bmp, .webp); folders below it are not entered."
        in done.err
    )


def test_the_suffixes_are_those_of_calibration() -> None:
    assert set(SUFFIXES) == CALIBRATED


def test_json_is_an_object_a_line(predict: Printed, folder: Path) -> None:
    (folder / "b.bmp").write_bytes(b"BM, and then nothing")
    done = predict(folder, "--json", "--top=2")
    assert done.code == 1
    documents = [json.loads(line) for line in done.out.splitlines()]
    assert [each["picture"] for each in documents] == [f"{folder}/a.PNG", f"{folder}/b.jpg"]
    first = documents[0]
    assert list(first) == ["picture", "milliseconds", "model", "version", "outputs"]
    assert (first["model"], first["version"]) == ("colour", 1)
    assert first["milliseconds"] > 0
    assert first["outputs"]["brightest"] == {"shape": [3]}
    best = first["outputs"]["output_alias"]["best"]
    assert first["outputs"]["output_alias"]["shape"] == [3]
    assert len(best) == 2
    assert best[0]["score"] >= best[1]["score"]
    assert [("red", "green", "blue")[each["class"]] for each in best] == [each["label"] for each in best]


def test_features_are_no_classes(predict: Printed, folder: Path) -> None:
    picture = folder / "b.jpg"
    done = predict(picture, "--signature=features")
    assert "float32 [3], " in done.out
    assert "red" not in done.out
    (document,) = map(json.loads, predict(picture, "--signature=features", "--json").out.splitlines())
    assert document["outputs"] == {"output_alias": {"shape": [3]}}


@pytest.mark.parametrize("flag", ["--outputs", "--output"])
def test_outputs_may_be_chosen(predict: Printed, folder: Path, flag: str) -> None:
    (document,) = map(json.loads, predict(folder / "b.jpg", "--json", flag, "brightest").out.splitlines())
    assert list(document["outputs"]) == ["brightest"]


def test_a_server_that_goes_away_is_said_once(
    socket_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = f"unix:{socket_folder}/nobody.sock"
    rocket = str(DATA / "rocket.jpg")
    assert run(["predict", "--address", address, "--timeout=0.5", rocket, rocket]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "nobody.sock" in error


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("localhost", "localhost:8500"),
        ("example.org:1", "example.org:1"),
        ("::1", "[::1]:8500"),
        ("[::1]", "[::1]:8500"),
        ("[::1]:9", "[::1]:9"),
        ("unix:/run/a.sock", "unix:/run/a.sock"),
        ("a,b:1", "a:8500,b:1"),
        ("dns:///models", "dns:///models:8500"),
    ],
)
def test_an_address_without_a_port_means_ours(typed: str, meant: str) -> None:
    assert with_port(typed) == meant


def test_the_sentence_names_the_port_that_was_asked(capsys: pytest.CaptureFixture[str]) -> None:
    rocket = str(DATA / "rocket.jpg")
    assert run(["predict", "--address=host.invalid", "--timeout=0.5", rocket]) == 1
    assert "host.invalid:8500" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("a,unix:/b", "unix:/b stands alone or not at all"),
        ("127.0.0.1:1,host.invalid:1", "host.invalid:1 cannot be resolved"),
    ],
)
def test_several_addresses_that_make_no_connection_are_one_line(
    address: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["predict", "--address", address, str(DATA / "rocket.jpg")]) != 0
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error


def test_several_addresses_may_be_asked(
    serve: Serve, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = serve().server.port
    assert run(["predict", "--address", f"127.0.0.1:{port},localhost:{port}", str(folder)]) == 0
    assert "a.PNG" in capsys.readouterr().out
