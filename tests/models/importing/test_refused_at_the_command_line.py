"""Files that cannot be served, given to the commands: one line, a code that is not 0, and the repository as it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from accelserve.server.cli.group import run
from tests.models.importing.onnx_models import floats, node, onnx_file
from tests.models.importing.test_malformed import EXTERNAL, MALFORMED, changed, out_of_reach, small

pytestmark = pytest.mark.usefixtures("no_progress")
PREPROCESS = json.dumps(
    {
        "resize": "exact", "resize_height": 4, "resize_width": 4, "interpolation": "bilinear",
        "crop_height": 4, "crop_width": 4, "color_order": "RGB", "mean": [0, 0, 0], "scale": [1, 1, 1],
    }
)  # fmt: skip
INPUT = {"x": (1, 3, 4, 4)}
WEIGHTS = floats(2, 3, 1, 1)


def convolution(weights: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> bytes:
    return onnx_file([node("Conv", "x w", "c"), node("Relu", "c", "y")], INPUT, ["y"], {"w": weights})


def with_one(value: float) -> bytes:
    weights = WEIGHTS.copy()
    weights[0, 0] = value
    return convolution(weights)


def quantized(scale: float | Sequence[float], zero_point: np.generic) -> bytes:
    nodes = [
        node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "f"), node("Conv", "f w", "y"),
    ]  # fmt: skip
    constants = {"w": WEIGHTS, "s": np.array(scale, np.float32), "z": np.array(zero_point)}
    return onnx_file(nodes, INPUT, ["y"], constants)


def saying(preprocess: str) -> bytes:
    return changed(lambda model: helper.set_model_props(model, {"accelserve.preprocess": preprocess}))


# What reads well as a network and cannot be a servable all the same; beside the sentence, what the message holds.
UNSERVABLE: dict[str, tuple[bytes, str]] = {
    "a weight that is no number": (with_one(np.nan), "1 of 6 values of 'w' are not finite"),
    "an infinite weight": (with_one(np.inf), "1 of 6 values of 'w' are not finite"),
    "weights that overflow": (convolution(WEIGHTS * np.float32(1e38)), "is not finite on a calibration image"),
    "negative variances": (
        onnx_file([node("BatchNormalization", "x a a a v", "y")], INPUT, ["y"], {"a": floats(3), "v": -np.ones(3, np.float32)}),
        "are not finite",
    ),
    "a scale of zero": (quantized(0.0, np.uint8(0)), "with a scale that is not positive"),
    "a scale that is no number": (quantized(np.nan, np.uint8(0)), "with a scale that is not positive"),
    "scales that do not fit": (quantized([0.1, 0.2], np.uint8(0)), "with 2 scales along axis 1 of a tensor of [1, 3, 4, 4]"),
    "zero points that do not fit": (
        quantized([0.1, 0.2, 0.3], np.zeros(2, np.uint8)),  # type: ignore[arg-type] # as the file has it
        "with 3 scales but 2 zero points",
    ),
    "activations of 32 bits": (quantized(0.1, np.int32(0)), "to int32; only to uint8 and int8"),
    "no picture as input": (onnx_file([node("Relu", "x", "y")], {"x": (1, 4)}, ["y"]), "expected one image input"),
    "two inputs": (
        onnx_file([node("Add", "x z", "y")], {"x": (1, 3, 4, 4), "z": (1, 3, 4, 4)}, ["y"]),
        "expected one image input",
    ),
    "pictures of another size": (
        onnx_file([node("Relu", "x", "y")], {"x": (1, 3, 8, 8)}, ["y"]),
        "preprocessing makes pictures of [4, 4, 3] but the network reads [8, 8, 3]",
    ),
}  # fmt: skip

Refused = Callable[[Sequence[object]], str]


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Runs ``convert`` into a repository that has a version already; gives the one line, the repository checked."""
    (tmp_path / "good.onnx").write_bytes(small().SerializeToString())
    repository = tmp_path / "models"
    options = ["--name", "net", "--repository", str(repository)]
    assert run(["convert", str(tmp_path / "good.onnx"), *options, "--preprocess", PREPROCESS]) == 0
    before = contents(repository)
    capsys.readouterr()

    def check(arguments: Sequence[object]) -> str:
        assert run(["convert", *map(str, arguments), *options]) == 1
        printed = capsys.readouterr()
        assert printed.out == ""
        (line,) = printed.err.splitlines()
        assert line.startswith("accelserve: ")
        assert contents(repository) == before
        return line

    return check


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file(name: str, refused: Refused, tmp_path: Path) -> None:
    content, sentence = MALFORMED[name]
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    line = refused([path, "--preprocess", PREPROCESS])
    assert f"{path}: " in line
    # From a file, the sentence about bytes without a folder is another one.
    assert sentence in line or "is no file inside the model's folder" in line


@pytest.mark.parametrize("name", EXTERNAL)
def test_external_data_out_of_reach(name: str, refused: Refused, tmp_path: Path) -> None:
    path = out_of_reach(name, tmp_path)
    assert "tensor 'w' keeps its data in" in refused([path, "--preprocess", PREPROCESS])


@pytest.mark.parametrize("name", UNSERVABLE)
def test_a_network_that_cannot_be_a_servable(name: str, refused: Refused, tmp_path: Path) -> None:
    content, sentence = UNSERVABLE[name]
    (tmp_path / "bad.onnx").write_bytes(content)
    assert sentence in refused([tmp_path / "bad.onnx", "--preprocess", PREPROCESS])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("{no json", "is not JSON"), ("[1]", "expected a JSON object"), ("{}", "preprocess")],
)
def test_preprocessing_in_the_file_that_is_none(
    text: str, sentence: str, refused: Refused, tmp_path: Path
) -> None:
    (tmp_path / "bad.onnx").write_bytes(saying(text))
    assert sentence in refused([tmp_path / "bad.onnx"])


# Far more weights than there are bytes behind it.
ABSURD = (
    b'{"conv1.weight":{"dtype":"F32","shape":[1099511627776,1048576],"data_offsets":[0,4611686018427387904]}}'
)
WEIGHT_FILES = {
    "garbage.pth": b"garbage",
    "torn.pth": b"PK\x03\x04" + bytes(40),
    "garbage.safetensors": b"\xff" * 8 + b"{}",
    "absurd.safetensors": len(ABSURD).to_bytes(8, "little") + ABSURD,
    "garbage.h5": b"garbage",
    "torn.h5": b"\x89HDF\r\n\x1a\n" + bytes(50),
    "nameless.pb": b"xx",
    "unknown.xyz": b"xx",
}


@pytest.mark.parametrize("name", WEIGHT_FILES)
def test_weights_that_are_none(
    name: str, refused: Refused, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.write_bytes(WEIGHT_FILES[name])
    assert f"{path}: " in refused([path])
    assert run(["import", str(path), "--output", str(tmp_path / "out.onnx")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{path}: " in line
    assert not (tmp_path / "out.onnx").exists()


def test_open_sizes_are_given_at_the_command(refused: Refused, tmp_path: Path) -> None:
    path = tmp_path / "open.onnx"
    nodes = [node("Conv", "x w", "c"), node("Relu", "c", "y")]
    path.write_bytes(onnx_file(nodes, {"x": ("N", 3, "rows", "columns")}, ["y"], {"w": WEIGHTS}))
    arguments = [path, "--preprocess", PREPROCESS]
    assert "give the rest (--input-shape x=...)" in refused(arguments)
    assert "has no input 'y' to give a shape to" in refused([*arguments, "--input-shape", "y=1,3,4,4"])
    repository = tmp_path / "others"
    options = ["--name", "open", "--repository", str(repository), "--input-shape", "x=1,3,4,4"]
    assert run(["convert", *map(str, arguments), *options]) == 0
    graph = onnx.load(repository / "open/1/model.onnx").graph
    assert [d.dim_value for d in graph.input[0].type.tensor_type.shape.dim][1:] in ([3, 4, 4], [4, 4, 3])


def test_a_shape_that_is_none_is_a_wrong_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.onnx").write_bytes(small().SerializeToString())
    command = ["convert", str(tmp_path / "net.onnx"), "--name", "x", "--repository", str(tmp_path / "models")]
    for text in ("x", "x=", "x=1,-3", "=1,3", "x=1,0", "x=1,3,q"):
        assert run([*command, "--input-shape", text]) == 2
        assert f"'{text}' is not NAME=1,3,224,224" in capsys.readouterr().err
