"""Files of every kind find their importer; what cannot be imported says why in one line."""

import json
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from accelserve.kernels.preprocess import PRESETS, PreprocessSpec
from accelserve.models.conversion.source import ARCHITECTURE_KEY, PREPROCESS_KEY, load_source, random_network
from accelserve.models.errors import MissingExtraError, ModelFileError, WeightMismatchError
from accelserve.models.importing import tensorflow
from tests.models.weights.test_keras_file import trained_edges

TORCH_FILES = Path(__file__).parents[1] / "weights" / "data"


def facts(model: onnx.ModelProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in model.metadata_props}


def test_weights_become_onnx_that_says_how_pictures_are_prepared(tmp_path: Path) -> None:
    network = load_source(trained_edges())
    assert network.architecture is not None
    assert network.architecture.name == "vgg16_features"
    network.save(tmp_path / "edges.onnx")
    saved = onnx.load(tmp_path / "edges.onnx")
    assert facts(saved)[ARCHITECTURE_KEY] == "vgg16_features"
    spec = PreprocessSpec.from_json(json.loads(facts(saved)[PREPROCESS_KEY]))
    assert spec == PRESETS["imagenet-caffe-bgr"]
    assert [path.name for path in tmp_path.iterdir()] == ["edges.onnx"]


def test_random_networks_are_the_same_file_every_time(tmp_path: Path) -> None:
    for name in ("a.onnx", "b.onnx"):
        random_network("resnet18", 5, outputs=["features"]).save(tmp_path / name)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    assert [o.name for o in onnx.load(tmp_path / "a.onnx").graph.output] == ["features"]


def test_a_save_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    network = random_network("resnet18", 0)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_bytes(b"")
    with pytest.raises(OSError, match="taken"):
        network.save(tmp_path / "taken")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("none.pth", "there is no such file or folder"),
        ("readme.txt", "of no known kind; expected .pth.* or a SavedModel; to convert, .onnx too"),
        ("network.onnx", "is ONNX already"),
        ("folder", "of no known kind"),
    ],
)
def test_what_cannot_be_imported_says_why(tmp_path: Path, name: str, sentence: str) -> None:
    (tmp_path / "readme.txt").write_text("hello")
    (tmp_path / "folder").mkdir()
    graph = helper.make_graph([], "g", [], [], [helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0])])
    onnx.save(helper.make_model(graph), tmp_path / "network.onnx")
    with pytest.raises(ModelFileError, match=sentence):
        load_source(tmp_path / name)


def test_weights_of_something_else_do_not_fit() -> None:
    with pytest.raises(WeightMismatchError, match="do not fit"):
        load_source(TORCH_FILES / "archive.pth", architecture="resnet50")


def test_a_whole_graph_is_not_filled_into_an_architecture(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(ModelFileError, match="cannot be filled into resnet50"):
        load_source(tmp_path, architecture="resnet50")


def test_a_frozen_graph_needs_the_names_of_its_inputs_and_outputs(tmp_path: Path) -> None:
    (tmp_path / "frozen.pb").write_bytes(b"")
    with pytest.raises(ModelFileError, match="pass --inputs and --outputs"):
        load_source(tmp_path / "frozen.pb", inputs=["images:0"])


def test_a_missing_package_names_the_extra_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensorflow, "find_spec", lambda _: None)
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(
        MissingExtraError,
        match=r"'tensorflow', which is not installed: pip install 'accelserve\[tensorflow\]'",
    ):
        load_source(tmp_path)
