"""Files that cannot be networks: each gives one clear sentence, and none takes memory that it only claims."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from accelserve.kernels.errors import UnsupportedNodesError
from accelserve.models.errors import ModelFileError
from accelserve.models.importing import ImportOptions, import_onnx
from tests.models.importing.onnx_models import floats, node, onnx_file


def small() -> onnx.ModelProto:
    content = onnx_file(
        [node("Conv", "x w", "c"), node("Relu", "c", "y")],
        {"x": (1, 3, 4, 4)},
        ["y"],
        {"w": floats(2, 3, 1, 1)},
    )
    return onnx.ModelProto.FromString(content)


def changed(change: Callable[[onnx.ModelProto], object]) -> bytes:
    model = small()
    change(model)
    return bytes(model.SerializeToString())


def claims(dims: list[int], **fields: Any) -> bytes:
    """The weights claim a shape that their data does not have."""
    return changed(
        lambda m: m.graph.initializer[0].CopyFrom(TensorProto(name="w", dims=dims, data_type=1, **fields))
    )


def external(location: str, **entries: str) -> TensorProto:
    tensor = TensorProto(name="w", dims=[2, 3, 1, 1], data_type=1, data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


MALFORMED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "holds no network"),
    "garbage": (b"\x00\x01garbage that is no protobuf", "is not an ONNX file"),
    "text": (b"import torch\n", "is not an ONNX file"),
    "truncated": (small().SerializeToString()[:-20], "is not an ONNX file, or is truncated"),
    "cyclic": (
        onnx_file([node("Add", "x b", "a"), node("Relu", "a", "b"), node("Relu", "b", "y")], {"x": (1, 4)}, ["y"]),
        "is cyclic: node 'Relu-b' (Relu) needs its own result",
    ),
    "reads itself": (onnx_file([node("Relu", "y", "y")], {"x": (1, 4)}, ["y"]), "is cyclic"),
    "missing initializer": (
        onnx_file([node("Conv", "x w", "y")], {"x": (1, 3, 4, 4)}, ["y"]),
        "node 'Conv-y' (Conv) reads 'w', which is no input, no initializer and no node's result",
    ),
    "missing output": (onnx_file([node("Relu", "x", "y")], {"x": (1, 4)}, ["z"]), "the list of outputs reads 'z'"),
    "two makers": (
        onnx_file([node("Relu", "x", "y"), node("Tanh", "x", "y")], {"x": (1, 4)}, ["y"]),
        "two nodes make 'y'",
    ),
    "no opset": (changed(lambda m: m.ClearField("opset_import")), "does not say which version"),
    "negative dimension": (claims([2, -3, 1, 1]), "of shape [2, -3, 1, 1] is absurd"),
    "2 GB tensor": (claims([32768, 32768, 1, 1]), "is absurd: a tensor has 0 to 2 GB"),
    "overflowing shape": (claims([2**40, 2**40, 2**40]), "is absurd"),
    "short data": (claims([2, 3, 1, 1], raw_data=b"\0" * 20), "has 5 elements stored, expected 6"),
    "no data": (claims([2, 3, 1, 1]), "has 0 elements stored, expected 6"),
    "string tensor": (
        changed(lambda m: m.graph.initializer[0].CopyFrom(TensorProto(name="w", dims=[1], data_type=8))),
        "has element type STRING",
    ),
    "unknown element type": (
        changed(lambda m: m.graph.initializer[0].CopyFrom(TensorProto(name="w", dims=[1], data_type=99))),
        "has element type 99",
    ),
    "string input": (
        onnx_file([node("Relu", "x", "y")], {"x": (1, 4)}, ["y"], element=TensorProto.STRING),
        "input 'x' is of STRING; expected FLOAT",
    ),
    "open size": (
        onnx_file([node("Relu", "x", "y")], {"x": ("N", 3, "height", 4)}, ["y"]),
        "input 'x' has shape [?, 3, ?, 4]; only the batch may be open, give the rest (--input-shape x=...)",
    ),
    "zero size": (onnx_file([node("Relu", "x", "y")], {"x": (1, 0)}, ["y"]), "input 'x' has shape [1, 0]"),
    "huge input": (onnx_file([node("Relu", "x", "y")], {"x": (1, 3, 10**6, 10**6)}, ["y"]), "exceeds 2 GB"),
    "no shape": (
        changed(lambda m: m.graph.input[0].type.tensor_type.ClearField("shape")),
        "input 'x' has no shape; give one",
    ),
    "huge activation": (
        onnx_file([node("Pad", "x p", "y")], {"x": (1, 3, 4, 4)}, ["y"], {"p": np.array([0, 0, 10**6, 10**6, 0, 0, 0, 0])}),
        "node 'Pad-y' (Pad) makes float32[1, 1000004, 1000004, 3], more than 2 GB",
    ),
    "weights that do not fit": (
        onnx_file([node("Conv", "x w", "y")], {"x": (1, 4, 4, 4)}, ["y"], {"w": floats(2, 3, 1, 1)}),
        "node 'Conv-y' (Conv): Conv2d: weights have 3 input channels and 2 outputs but the activation has 4",
    ),
    "window larger than the image": (
        onnx_file([node("MaxPool", "x", "y", kernel_shape=[9, 9])], {"x": (1, 3, 4, 4)}, ["y"]),
        "a window of 9 does not fit a padded input of 4",
    ),
    "external data without a folder": (
        changed(lambda m: m.graph.initializer[0].CopyFrom(external("weights.bin"))),
        "keeps its data in 'weights.bin', but a file given as bytes has no folder",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_it_is_refused_in_one_sentence(name: str) -> None:
    content, sentence = MALFORMED[name]
    with pytest.raises(ModelFileError) as caught:
        import_onnx(content)
    assert sentence in str(caught.value)
    assert str(caught.value).startswith("<bytes>: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"y": (1, 3, 4, 4)}, "has no input 'y' to give a shape to; its inputs are x"),
        ({"x": (1, 4)}, "input 'x' has 4 dimensions, not the 2 of --input-shape"),
    ],
)
def test_a_shape_for_something_else_is_refused(given: dict[str, tuple[int, ...]], sentence: str) -> None:
    with pytest.raises(ModelFileError, match=sentence):
        import_onnx(small().SerializeToString(), ImportOptions(input_shapes=given))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"absent\.onnx: cannot be read: No such file"):
        import_onnx(tmp_path / "absent.onnx")


EXTERNAL = {
    "parent folder": ("../secret.bin", {}),
    "absolute path": ("/etc/passwd", {}),
    "link out of the folder": ("link.bin", {}),
    "missing": ("nothing.bin", {}),
    "the folder itself": (".", {}),
    "no location": ("", {}),
    "beyond the end": ("weights.bin", {"offset": "8"}),
    "negative offset": ("weights.bin", {"offset": "-4"}),
    "offset that is no number": ("weights.bin", {"offset": "many"}),
}


def out_of_reach(name: str, tmp_path: Path) -> Path:
    """A file whose weights are said to be where ``EXTERNAL[name]`` says."""
    location, entries = EXTERNAL[name]
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(24))
    (folder / "weights.bin").write_bytes(bytes(24))
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    path = folder / "model.onnx"
    path.write_bytes(changed(lambda m: m.graph.initializer[0].CopyFrom(external(location, **entries))))
    return path


@pytest.mark.parametrize("name", EXTERNAL)
def test_external_data_is_refused(name: str, tmp_path: Path) -> None:
    path = out_of_reach(name, tmp_path)
    with pytest.raises(ModelFileError, match="tensor 'w' keeps its data in"):
        import_onnx(path)


def test_external_data_beside_the_file_is_read(tmp_path: Path) -> None:
    weights = floats(2, 3, 1, 1)
    (tmp_path / "weights.bin").write_bytes(b"head" + weights.tobytes())
    path = tmp_path / "model.onnx"
    path.write_bytes(changed(lambda m: m.graph.initializer[0].CopyFrom(external("weights.bin", offset="4"))))
    np.testing.assert_array_equal(import_onnx(path).graph.constants["w"], weights.transpose(0, 2, 3, 1))


UNSUPPORTED = {
    "every unknown operator": (
        [node("NonZero", "x", "a"), node("Det", "x", "b"), node("Add", "a b", "y")],
        [("NonZero-a", "NonZero"), ("Det-b", "Det")],
    ),
    "operators after an unknown one": (
        [node("Mystery", "x", "a"), node("Riddle", "a", "b"), node("Relu", "b", "y")],
        [("Mystery-a", "Mystery"), ("Riddle-b", "Riddle")],
    ),
    "another operator set": (
        [helper.make_node("Relu", ["x"], ["y"], name="strange", domain="com.example")],
        [("strange", "com.example.Relu")],
    ),
    "convolution of one dimension": (
        [node("Reshape", "x s", "r"), node("Conv", "r w", "y")],
        [("Conv-y", "Conv in 1 dimension(s); only in two")],
    ),
    "weights computed at run time": (
        [node("Relu", "x", "a"), node("Conv", "x a", "y")],
        [("Conv-y", "Conv with weights computed at run time")],
    ),
    "second result of a pool": (
        [node("MaxPool", "x", "p indices", kernel_shape=[2, 2]), node("Cast", "indices", "y", to=1)],
        [("MaxPool-p", "MaxPool, result 1")],
    ),
    "a norm that divides nothing": (
        [node("ReduceL2", "x", "n", axes=[1]), node("Relu", "n", "y")],
        [("ReduceL2-n", "ReduceL2 outside of an L2 normalization")],
    ),
    "a norm as the result": (
        [node("ReduceL2", "x", "y", axes=[1])],
        [("ReduceL2-y", "ReduceL2 outside of an L2 normalization")],
    ),
    "division by a tensor": ([node("Tanh", "x", "t"), node("Div", "x t", "y")], [("Div-y", "Div by a value computed at run time")]),
    "mean over channels": (
        [node("ReduceMean", "x", "y", axes=[1])],
        [("ReduceMean-y", "ReduceMean over axes [1]; only over an image's rows and columns, or all of it")],
    ),
    "reversed slice": (
        [node("Slice", "x one zero axis step", "y")],
        [("Slice-y", "Slice with step -1")],
    ),
    "absurd constant": (
        [node("ConstantOfShape", "huge", "c"), node("Add", "x c", "y")],
        [("ConstantOfShape-c", "ConstantOfShape of absurd shape [1000000, 1000000]")],
    ),
    "constant that grows absurdly": (
        [node("Expand", "w huge", "c"), node("Add", "x c", "y")],
        [("Expand-c", "Expand whose constant result would exceed 2 GB")],
    ),
    "impossible arithmetic on constants": (
        [node("Concat", "huge w", "c", axis=0), node("Add", "x c", "y")],
        None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_every_node_without_a_kernel_is_named(name: str) -> None:
    nodes, blamed = UNSUPPORTED[name]
    constants = {
        "s": np.array([1, 3, 16]), "w": floats(2, 3, 1), "one": np.array([3]), "zero": np.array([0]),
        "axis": np.array([1]), "step": np.array([-1]), "huge": np.array([10**6, 10**6]),
    }  # fmt: skip
    content = onnx_file(nodes, {"x": (1, 3, 4, 4)}, ["y"], constants)
    with pytest.raises(UnsupportedNodesError) as caught:
        import_onnx(content)
    if blamed is not None:
        assert list(caught.value.nodes) == blamed
    assert "\n" not in str(caught.value)


def test_claims_take_no_memory() -> None:
    """A tensor that claims nearly 2 GB is refused before anything of that size is made."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelFileError):
        import_onnx(claims([2**29 - 8]))
    constants = {"w": floats(4), "r": np.array([2**40])}
    content = onnx_file([node("Tile", "w r", "y")], {"x": (1, 3)}, ["y"], constants)
    with pytest.raises(UnsupportedNodesError):
        import_onnx(content)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes


def test_wrong_attributes_are_named() -> None:
    nodes = [node("Conv", "x w", "y", strides="2")]
    content = onnx_file(nodes, {"x": (1, 3, 4, 4)}, ["y"], {"w": floats(2, 3, 1, 1)})
    with pytest.raises(
        UnsupportedNodesError, match=r"Conv-y \(Conv whose attribute 'strides' is not integers\)"
    ):
        import_onnx(content)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_files_raise_nothing_else(data: st.DataObject) -> None:
    """Bytes changed, cut out or put in anywhere: a network, or one of our two errors."""
    content = bytearray(small().SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        match data.draw(st.sampled_from(["set", "cut", "put"])):
            case "set":
                content[place] = data.draw(st.integers(0, 255))
            case "cut":
                del content[place : place + data.draw(st.integers(1, 9))]
            case _:
                content[place:place] = data.draw(st.binary(min_size=1, max_size=9))
        if not content:
            break
    with contextlib.suppress(ModelFileError, UnsupportedNodesError):
        import_onnx(bytes(content))


def test_a_file_that_cannot_be_read_is_refused_like_a_missing_one(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.mkdir()  # reading a folder fails for every user, root included
    with pytest.raises(ModelFileError, match="cannot be read: Is a directory"):
        import_onnx(path)
