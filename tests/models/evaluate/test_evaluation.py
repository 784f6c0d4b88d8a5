"""Published networks evaluated on photographs, from the command line."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from accelserve.kernels.devices.reference import ReferenceDevice
from accelserve.kernels.preprocess import PRESETS, preprocess_float
from accelserve.kernels.reference.evaluator import evaluate
from accelserve.models.architectures import random_weights
from accelserve.models.conversion.convert import ConvertOptions, convert
from accelserve.models.conversion.source import PREPROCESS_KEY
from accelserve.models.errors import EvaluationError
from accelserve.models.evaluate import EvaluateOptions, evaluate_servable, read_truth, save_figure
from accelserve.models.evaluate import float_network as float_room
from accelserve.models.evaluate.float_network import float_network
from accelserve.models.importing import import_onnx
from accelserve.models.serving.servable import Servable
from accelserve.server.cli.group import run
from tests.models.architectures.small import small
from tests.models.detectors import PHOTOGRAPHS, publish, write_network

pytestmark = pytest.mark.usefixtures("no_progress")
SIZE = 64
LABELS = [f"class {i}" for i in range(10)]
SPEC = {
    **PRESETS["imagenet-torch"].to_json(),
    "resize_height": SIZE,
    "resize_width": SIZE,
    "crop_height": SIZE,
    "crop_width": SIZE,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small classifier with random weights: ``net.onnx``, published in ``models``; ``pictures`` to evaluate on."""
    folder = tmp_path_factory.mktemp("evaluate")
    blueprint = small("resnet18").select(["probabilities"])
    model = blueprint.to_onnx(random_weights(blueprint, 0))
    onnx.helper.set_model_props(model, {PREPROCESS_KEY: json.dumps(SPEC)})
    onnx.save(model, folder / "net.onnx")
    pictures = folder / "pictures"
    pictures.mkdir()
    for number, array in enumerate(load_sample_images().images):
        for part in range(3):
            left = part * 100
            Image.fromarray(array[:, left : left + 400]).save(pictures / f"{number}{part}.jpg", quality=95)
    (pictures / "torn.jpg").write_bytes((pictures / "00.jpg").read_bytes()[:200])
    convert(
        folder / "net.onnx",
        ConvertOptions(name="net", repository=folder / "models", calibrate=pictures, labels=tuple(LABELS)),
    )
    return folder


def best_classes(folder: Path) -> dict[str, int]:
    """Picture -> what the float32 network thinks it is, by its own numpy evaluation."""
    graph = import_onnx(folder / "net.onnx").graph
    (name,) = graph.inputs
    spec = PRESETS["imagenet-torch"].from_json(SPEC)
    return {
        path.name: int(
            np.argmax(
                evaluate(graph, {name: preprocess_float(spec, path.read_bytes())[None]}, any_order=True)[
                    "probabilities"
                ]
            )
        )
        for path in sorted((folder / "pictures").glob("[01]*.jpg"))
    }


def test_the_numbers_are_out_before_a_drawing_fails(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figure = tmp_path / "noise.png"
    figure.symlink_to(tmp_path / "gone" / "noise.png")
    arguments = ["evaluate", str(folder / "models/net"), "--images", str(folder / "pictures")]
    arguments += ["--float", str(folder / "net.onnx"), "--figure", str(figure), "--json"]
    assert run(arguments) == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out)["pictures"] == 6
    assert printed.err == f"accelserve: {figure}: No such file or directory\n"


def test_the_command_says_it_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    best = best_classes(folder)
    wrong = min(best)
    truth = {**best, wrong: (best[wrong] + 1) % 10}
    (folder / "truth.csv").write_text("".join(f"{name},{LABELS[kind]}\n" for name, kind in truth.items()))
    arguments = ["evaluate", str(folder / "models/net"), "--images", str(folder / "pictures")]
    arguments += ["--float", str(folder / "net.onnx"), "--labels", str(folder / "truth.csv"), "--json"]
    assert run([*arguments, "--figure", str(folder / "noise.png")]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["model"], report["version"], report["pictures"]) == ("net", 1, 6)
    assert [name for name, _ in report["skipped"]] == ["torn.jpg"]
    assert report["accuracy"]["float_top1"] == pytest.approx(5 / 6)
    assert report["accuracy"]["float_top5"] >= 5 / 6
    assert report["agreement"]["top1"] >= 5 / 6
    assert 0 <= report["agreement"]["clear_pictures"] <= 6
    assert 0 <= report["agreement"]["largest_lead_lost"] <= 2 * report["agreement"]["largest_difference"]
    assert report["agreement"]["largest_difference"] < 0.1
    assert len(report["agreement"]["feature_cosines"]) == 6
    assert min(report["agreement"]["feature_cosines"]) > 0.98
    assert 0 < report["agreement"]["feature_distance_error"] < 0.05
    assert {"name", "operator", "sqnr_db", "cosine"} == set(report["layers"][0])
    with Image.open(folder / "noise.png") as picture:
        assert picture.size > (600, 400)
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 50  # type: ignore[arg-type] # few enough to count


def test_the_command_says_it_as_tables_worst_layers_first(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", str(folder / "models/net/1"), "--images", str(folder / "pictures")]
    assert run([*command, "--float", str(folder / "net.onnx"), "--worst", "4", "--device", "reference"]) == 0
    printed = capsys.readouterr()
    assert "skipped torn.jpg" in printed.err
    assert "same top-1 as float32" in printed.out
    decibels = [float(text) for text in re.findall(r"(\S+) dB +[01]\.\d{5}", printed.out)]
    assert len(decibels) == 4
    assert decibels == sorted(decibels)


def test_without_the_original_the_truth_alone_counts(folder: Path, tmp_path: Path) -> None:
    best = best_classes(folder)
    for name, kind in best.items():
        target = tmp_path / LABELS[kind] / name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes((folder / "pictures" / name).read_bytes())
    evaluation = evaluate_servable(
        folder / "models/net/1", tmp_path, EvaluateOptions(device=ReferenceDevice())
    )
    assert evaluation.accuracy is not None
    assert evaluation.accuracy.pictures == 6
    assert evaluation.accuracy.top1 >= 5 / 6
    assert evaluation.accuracy.float_top1 is None
    assert evaluation.agreement is None
    assert evaluation.layers == ()
    with pytest.raises(EvaluationError, match="give the original"):
        save_figure(evaluation, tmp_path / "noise.png")


def test_a_figure_needs_the_original_before_anything_is_measured(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "evaluate",
        str(folder / "models/net"),
        "--images",
        str(folder / "pictures"),
        "--device",
        "reference",
    ]
    assert run([*command, "--figure", str(tmp_path / "noise.png")]) == 2
    assert "give the original with --float" in capsys.readouterr().err
    assert run(command) == 0
    printed = capsys.readouterr()
    assert "net, version 1" in printed.out
    assert "--float ORIGINAL compares it" in printed.err


def test_a_version_under_another_name_and_the_folder_one_stands_in_are_versions_too(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept"
    shutil.copytree(folder / "models/net/1", kept)
    monkeypatch.chdir(kept)
    for given in (kept, Path()):
        evaluation = evaluate_servable(
            given, folder / "pictures", EvaluateOptions(device=ReferenceDevice(), limit=1)
        )
        assert (evaluation.model, evaluation.version) == ("net", 1)


@pytest.mark.parametrize("command", ["evaluate", "profile", "train-head"])
def test_a_folder_without_a_model_is_refused_alike(
    command: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for label in "ab":
        shutil.copytree(folder / "pictures", tmp_path / "classes" / label)
    (tmp_path / "nothing").mkdir()
    more = {
        "evaluate": ["--images", str(folder / "pictures")],
        "profile": [],
        "train-head": [str(tmp_path / "classes"), "--name", "mine"],
    }
    assert run([command, str(tmp_path / "nothing"), *more[command], "--device", "reference"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        f"accelserve: {tmp_path / 'nothing'} cannot be served: servable.json cannot be read"
    )


def test_the_original_in_numpy_is_that_in_onnxruntime(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = import_onnx(folder / "net.onnx").graph
    picture = np.random.default_rng(0).standard_normal((1, SIZE, SIZE, 3)).astype(np.float32)
    fast = float_network(graph)(picture)
    monkeypatch.setattr(float_room, "find_spec", lambda _: None)
    slow = float_network(graph)(picture)
    np.testing.assert_allclose(fast["probabilities"], slow["probabilities"], atol=1e-5)


def test_another_networks_original_is_refused(folder: Path) -> None:
    blueprint = small("resnet18").select(["logits"])
    graph = import_onnx(blueprint.to_onnx(random_weights(blueprint, 0)).SerializeToString()).graph
    options = EvaluateOptions(device=ReferenceDevice(), original=graph)
    with pytest.raises(EvaluationError, match=r"not with probabilities:0; is it another network\?"):
        evaluate_servable(folder / "models/net/1", folder / "pictures", options)


def test_pictures_must_be_pictures(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(EvaluationError, match="none of the 1 pictures"):
        evaluate_servable(folder / "models/net/1", tmp_path, EvaluateOptions(device=ReferenceDevice()))


def test_a_detector_is_measured_by_its_boxes(tmp_path: Path) -> None:
    network = write_network(tmp_path / "ssd.onnx", "ssd300_vgg16", classes=5, width=4)
    directory = publish(network, "ssd").directory
    pictures = PHOTOGRAPHS[0].parent
    servable = Servable.load(directory, device=ReferenceDevice())
    results = servable.run(servable.decode([PHOTOGRAPHS[0].read_bytes()]).complete())
    found = servable.respond("detection", results, ["detection_boxes", "detection_classes", "num_detections"])
    assert found["num_detections"][0] >= 1
    objects = [
        {"class": int(found["detection_classes"][0][0]), "box": found["detection_boxes"][0][0].tolist()}
    ]
    (tmp_path / "truth.json").write_text(json.dumps({PHOTOGRAPHS[0].name: objects}))
    evaluation = evaluate_servable(
        directory,
        pictures,
        EvaluateOptions(
            device=ReferenceDevice(),
            original=import_onnx(network).graph,
            truth=read_truth(tmp_path / "truth.json", ()),
            layer_pictures=1,
        ),
    )
    assert evaluation.detection is not None
    # The one object is the servable's own best detection.
    assert (evaluation.detection.pictures, evaluation.detection.map50, evaluation.detection.map50_95) == (
        1,
        1.0,
        1.0,
    )
    assert evaluation.agreement is not None
    assert evaluation.agreement.top1 is None
    assert set(evaluation.agreement.outputs_sqnr_db) == {"bbox_regression:0", "cls_logits:0"}
    assert min(evaluation.agreement.outputs_sqnr_db.values()) > 15
    assert {layer.operator for layer in evaluation.layers} >= {"input", "Clip", "Concat"}
