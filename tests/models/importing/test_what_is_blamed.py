"""A refusal names every node that is at fault, no other, and what to do; what only looks like a fault is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from accelserve.kernels.errors import UnsupportedNodesError
from accelserve.kernels.ir import Array, DType
from accelserve.kernels.reference.evaluator import evaluate
from accelserve.models.errors import ModelFileError
from accelserve.models.importing import import_onnx
from tests.models.importing.onnx_models import assert_agrees, floats, nhwc_feeds, node, onnx_file, session

IMAGE = {"x": (1, 3, 8, 8)}
CONV = node("Conv", "x w", "c", pads=[1, 1, 1, 1])
WEIGHTS: dict[str, Array] = {"w": floats(8, 3, 3, 3)}


def blamed(nodes: list[onnx.NodeProto], constants: dict[str, Array] | None = None) -> list[str]:
    with pytest.raises(UnsupportedNodesError) as caught:
        import_onnx(onnx_file(nodes, IMAGE, ["y"], {**WEIGHTS, **(constants or {})}))
    return [f"{name}: {op}" for name, op in caught.value.nodes]


RESIZE = node("Resize", "c _ scales", "z", mode="nearest")
SCALES: dict[str, Array] = {"scales": np.array([1, 1, 2, 2], np.float32)}


def test_shapes_behind_a_refused_node_are_computed_as_elsewhere() -> None:
    nodes = [
        CONV,
        RESIZE,
        node("Shape", "z", "sh"),
        node("Gather", "sh two", "h"),
        node("Cast", "h", "hf", to=TensorProto.FLOAT),
        node("Floor", "hf", "ff"),
        node("Cast", "ff", "hi", to=TensorProto.INT64),
        node("Range", "zero hi one", "i"),
        node("Cast", "i", "fi", to=TensorProto.FLOAT),
        node("Add", "z fi", "y"),
    ]
    constants: dict[str, Array] = {"two": np.array(2), "zero": np.array(0), "one": np.array(1)}
    assert blamed(nodes, {**SCALES, **constants}) == ["Resize-z: Resize"]


def test_shapes_that_a_refused_node_leaves_open_blame_nobody_else() -> None:
    nodes = [
        node("NonZero", "x", "n"),
        node("Shape", "n", "sh"),
        node("Range", "zero sh one", "i"),
        node("Reshape", "x i", "y"),
    ]
    constants: dict[str, Array] = {"zero": np.array(0), "one": np.array(1)}
    assert blamed(nodes, constants) == ["NonZero-n: NonZero"]


def test_each_of_several_in_a_row_is_named() -> None:
    nodes = [
        CONV,
        node("ReduceMean", "c", "m", axes=[1]),
        node("Add", "c m", "a"),
        node("Div", "a m", "d"),
        node("Erf", "d", "y"),
    ]
    assert blamed(nodes) == [
        "ReduceMean-m: ReduceMean over axes [1]; only over an image's rows and columns, or all of it",
        "Div-d: Div by a value computed at run time",
        "Erf-y: Erf",
    ]


def test_weights_that_an_unsupported_node_makes_of_constants_blame_only_it() -> None:
    assert blamed([node("Erf", "w", "e"), node("Conv", "x e", "y")]) == ["Erf-e: Erf"]


def test_an_operator_of_a_runtimes_own_is_named_in_full() -> None:
    fused = helper.make_node(
        "FusedConv", ["x", "w"], ["y"], "fused", domain="com.microsoft", activation="Relu"
    )
    other = helper.make_node("Thing", ["x"], ["y"], "thing", domain="org.example")
    assert blamed([fused]) == [
        "fused: com.microsoft.FusedConv, which onnxruntime's optimiser writes: give the file as it was before that"
    ]
    assert blamed([other]) == ["thing: org.example.Thing"]


def of_batch(content: bytes, batch: int) -> bytes:
    """The file with another batch, reshapes included."""
    model = onnx.ModelProto.FromString(content)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = batch
    return bytes(model.SerializeToString())


def shuffle(batch: int) -> bytes:
    """A channel shuffle as PyTorch traces it: the batch is written into both reshapes."""
    nodes = [
        CONV,
        node("Reshape", "c s", "r"),
        node("Transpose", "r", "t", perm=[0, 2, 1, 3, 4]),
        node("Reshape", "t q", "u"),
        node("Conv", "u k", "v"),
        node("GlobalAveragePool", "v", "g"),
        node("Reshape", "g f", "l"),
        node("Gemm", "l m", "y", transB=1),
    ]
    constants = {
        **WEIGHTS, "s": np.array([batch, 2, 4, 8, 8]), "q": np.array([batch, -1, 8, 8]), "k": floats(4, 8, 1, 1),
        "f": np.array([batch, -1]), "m": floats(5, 4),
    }  # fmt: skip
    return onnx_file(nodes, {"x": (batch, 3, 8, 8)}, ["y"], constants)


def test_a_fixed_batch_is_one_image_wherever_it_is_written() -> None:
    """The judge is onnxruntime on the file as it is, four images at once."""
    images = floats(4, 3, 8, 8)
    (wanted,) = session(shuffle(4), optimize=False).run(None, {"x": images})
    imported = import_onnx(shuffle(4))
    for image, row in zip(images, wanted, strict=True):
        found = evaluate(imported.graph, nhwc_feeds(imported, {"x": image[None]}))["y"]
        np.testing.assert_allclose(found[0], row, rtol=1e-4, atol=1e-5)


def test_a_fixed_batch_that_is_spread_is_named() -> None:
    nodes = [node("Reshape", "x s", "y")]
    with pytest.raises(UnsupportedNodesError, match=r"batch fixed at 4; export it with an open one"):
        import_onnx(onnx_file(nodes, {"x": (4, 3, 2, 2)}, ["y"], {"s": np.array([2, 2, 12])}))


def pixels(nodes: list[onnx.NodeProto]) -> bytes:
    return onnx_file(nodes, IMAGE, ["y"], WEIGHTS, element=TensorProto.UINT8)


def test_pixels_that_are_cast_to_float_are_floats() -> None:
    images = np.random.default_rng(0).integers(0, 256, (1, 3, 8, 8), np.uint8)
    content = pixels([node("Cast", "x", "f", to=TensorProto.FLOAT), node("Conv", "f w", "y")])
    imported = import_onnx(content)
    assert imported.graph.inputs["x"].dtype is DType.F32
    assert imported.integer_inputs == {"x": DType.U8}
    (wanted,) = session(content, optimize=False).run(None, {"x": images})
    found = evaluate(imported.graph, nhwc_feeds(imported, {"x": images.astype(np.float32)}))["y"]
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_pixels_that_are_moved_before_they_are_cast() -> None:
    nodes = [
        node("Transpose", "x", "t", perm=[0, 3, 1, 2]),
        node("Cast", "t", "f", to=TensorProto.FLOAT),
        node("Conv", "f w", "y"),
    ]
    content = onnx_file(nodes, {"x": (1, 8, 8, 3)}, ["y"], WEIGHTS, element=TensorProto.UINT8)
    imported = import_onnx(content)
    assert imported.input_layouts == {"x": "NHWC"}
    assert imported.graph.inputs["x"].dtype is DType.F32


def external(folder: Path, location: str) -> Path:
    """A file whose weights lie at ``location``."""
    model = onnx.ModelProto.FromString(onnx_file([node("Conv", "x w", "y")], IMAGE, ["y"], WEIGHTS))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "net.onnx").write_bytes(model.SerializeToString())
    return folder / "net.onnx"


def test_weights_behind_links_of_a_cache_of_downloads(tmp_path: Path) -> None:
    """Hugging Face's: snapshots are folders of links into ``blobs``, of one model."""
    home = tmp_path / "models--org--net"
    real = external(home / "blobs", "net.onnx_data")
    (home / "blobs" / "0123abcd").write_bytes(WEIGHTS["w"].tobytes())
    snapshot = home / "snapshots" / "main" / "onnx"
    snapshot.mkdir(parents=True)
    (snapshot / "net.onnx").symlink_to(real)
    (snapshot / "net.onnx_data").symlink_to(home / "blobs" / "0123abcd")
    imported = import_onnx(snapshot / "net.onnx")
    assert_agrees(onnx_file([node("Conv", "x w", "y")], IMAGE, ["y"], WEIGHTS), {"x": floats(1, 3, 8, 8)})
    np.testing.assert_array_equal(imported.graph.constants["w"], WEIGHTS["w"].transpose(0, 2, 3, 1))


@pytest.mark.parametrize("place", ["elsewhere", "models--org--other/blobs"])
def test_weights_behind_a_link_to_anywhere_else_are_not_read(tmp_path: Path, place: str) -> None:
    outside = tmp_path / place / "secret"
    outside.parent.mkdir(parents=True)
    outside.write_bytes(WEIGHTS["w"].tobytes())
    source = external(tmp_path / "models--org--net" / "snapshots" / "main", "net.onnx_data")
    source.with_name("net.onnx_data").symlink_to(outside)
    with pytest.raises(ModelFileError, match=f"a link to {outside}, which is outside of the model's folder"):
        import_onnx(source)
