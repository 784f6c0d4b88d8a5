"""Forms of operators that are easily read for another: each as onnxruntime, unoptimised, or onnx.reference has it."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from accelserve.kernels.errors import UnsupportedNodesError
from accelserve.kernels.ir import Array
from accelserve.kernels.reference.evaluator import evaluate
from accelserve.models.errors import ConversionError
from accelserve.models.importing import export_onnx, import_onnx
from tests.models.importing.onnx_models import floats, nhwc_feeds, node, onnx_file, session

IMAGE = {"x": (1, 3, 8, 8)}


def assert_right(
    content: bytes, feeds: dict[str, Array], *, reference: bool = False, exported: bool = False
) -> None:
    """The imported graph, and the file that is written of it, compute what the judge does."""
    judge = (
        ReferenceEvaluator(onnx.ModelProto.FromString(content))
        if reference
        else session(content, optimize=False)
    )
    imported = import_onnx(content)
    ours = nhwc_feeds(imported, feeds)
    graphs = [imported.graph, *([import_onnx(export_onnx(imported.graph)).graph] if exported else [])]
    for graph in graphs:
        for found, wanted in zip(evaluate(graph, ours).values(), judge.run(None, feeds), strict=True):
            assert found.shape == wanted.shape
            np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def refused(content: bytes) -> str:
    with pytest.raises(UnsupportedNodesError) as caught:
        import_onnx(content)
    return str(caught.value)


def codes(kind: int) -> bytes:
    """A file that says the type of its codes by ``output_dtype`` alone."""
    nodes = [node("QuantizeLinear", "x s", "q", output_dtype=kind), node("DequantizeLinear", "q s", "y")]
    return onnx_file(nodes, IMAGE, ["y"], {"s": np.array(0.02, np.float32)}, opset=21)


@pytest.mark.parametrize("kind", [TensorProto.INT8, TensorProto.UINT8])
def test_codes_without_a_zero_point(kind: int) -> None:
    assert_right(codes(kind), {"x": floats(1, 3, 8, 8)}, exported=True)


@pytest.mark.parametrize(
    "kind", [TensorProto.INT16, TensorProto.UINT16, TensorProto.INT4, TensorProto.FLOAT8E4M3FN]
)
def test_codes_that_no_kernel_has(kind: int) -> None:
    assert "(QuantizeLinear to " in refused(codes(kind))


def test_codes_that_contradict_their_zero_point() -> None:
    nodes = [
        node("QuantizeLinear", "x s z", "q", output_dtype=TensorProto.INT8),
        node("DequantizeLinear", "q s z", "y"),
    ]
    constants: dict[str, Array] = {"s": np.array(0.02, np.float32), "z": np.array(3, np.uint8)}
    assert "of int8 with a zero point of uint8" in refused(
        onnx_file(nodes, IMAGE, ["y"], constants, opset=21)
    )


def bias(points: Array, scales: Array) -> bytes:
    nodes = [
        node("DequantizeLinear", "w ws", "wd"),
        node("DequantizeLinear", "b bs bz", "bd", axis=0),
        node("Conv", "x wd bd", "y"),
    ]
    random = np.random.default_rng(1)
    constants: dict[str, Array] = {
        "w": random.integers(-100, 100, (8, 3, 3, 3)).astype(np.int8), "ws": np.array(0.01, np.float32),
        "b": random.integers(-2000, 2000, 8).astype(np.int32), "bs": scales, "bz": points,
    }  # fmt: skip
    return onnx_file(nodes, IMAGE, ["y"], constants, opset=21)


@pytest.mark.parametrize("vector", [False, True], ids=["one", "one a channel"])
def test_a_bias_with_a_zero_point_keeps_it_in_the_file_that_is_written(vector: bool) -> None:
    """onnx.reference judges: onnxruntime takes the zero point of int32 only as one number."""
    points = np.arange(400, 408, dtype=np.int32) if vector else np.array(500, np.int32)
    scales = np.full(8, 0.001, np.float32) if vector else np.array(0.001, np.float32)
    assert_right(bias(points, scales), {"x": floats(1, 3, 8, 8)}, reference=True, exported=True)


def test_a_bias_that_its_zero_point_moves_out_of_int32() -> None:
    content = bias(np.array(-(2**31), np.int32), np.array(0.001, np.float32))
    assert "moves weights out of 32 bits" in refused(content)


def test_the_writer_drops_no_zero_point() -> None:
    graph = import_onnx(bias(np.array(0, np.int32), np.array(0.001, np.float32))).graph
    wrong = {
        k: np.array(7, np.int32) if v.dtype == np.int32 and v.ndim == 0 else v
        for k, v in graph.constants.items()
    }
    with pytest.raises(ConversionError, match="zero point of int32"):
        export_onnx(type(graph)(graph.inputs, graph.nodes, wrong, graph.outputs))


NO_AXES = np.zeros(0, np.int64)


@pytest.mark.parametrize("op", ["ReduceMean", "ReduceMax"])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_an_empty_list_of_axes_means_all_or_none(op: str, keepdims: int) -> None:
    def content(shape: tuple[int, ...], **attributes: int) -> bytes:
        nodes = [node(op, "x a", "y", keepdims=keepdims, **attributes)]
        return onnx_file(nodes, {"x": shape}, ["y"], {"a": NO_AXES}, opset=18)

    assert_right(content((1, 1, 5, 6)), {"x": floats(1, 1, 5, 6)})
    assert_right(content((1, 3, 5, 6), noop_with_empty_axes=1), {"x": floats(1, 3, 5, 6)})
    assert_right(content((1, 3, 5, 6)), {"x": floats(1, 3, 5, 6)})


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Max", "Min", "Pow"])
@pytest.mark.parametrize("rank", [0, 1, 4, 5])
def test_one_number_of_any_rank(op: str, rank: int) -> None:
    """A constant of rank 5 makes an image rank 5, though it is one number."""
    content = onnx_file([node(op, "x c", "y")], IMAGE, ["y"], {"c": np.full((1,) * rank, 2.0, np.float32)})
    if op in {"Max", "Min", "Pow"} and rank == 5:
        refused(content)
        return
    assert_right(content, {"x": np.abs(floats(1, 3, 8, 8)) + 1})


def test_one_number_of_a_higher_rank_that_comes_first() -> None:
    content = onnx_file([node("Sub", "c x", "y")], IMAGE, ["y"], {"c": np.full((1,) * 5, 2.0, np.float32)})
    assert_right(content, {"x": floats(1, 3, 8, 8)})


def test_expand_to_a_higher_rank() -> None:
    content = onnx_file([node("Expand", "x s", "y")], IMAGE, ["y"], {"s": np.array([2, 1, 3, 8, 8])})
    assert "Expand of [1, 3, 8, 8] to [2, 1, 3, 8, 8]" in refused(content)


def test_slopes_of_old_files_are_one_a_channel() -> None:
    """PRelu before operator set 7, computed here by its definition: the slope's axis is that of channels."""
    slopes, image = floats(8), floats(1, 8, 8, 8)
    content = onnx_file([node("PRelu", "x s", "y")], {"x": (1, 8, 8, 8)}, ["y"], {"s": slopes}, opset=6)
    imported = import_onnx(content)
    found = evaluate(imported.graph, nhwc_feeds(imported, {"x": image}))["y"]
    np.testing.assert_allclose(found, np.where(image < 0, image * slopes[:, None, None], image), rtol=1e-6)


def test_operands_of_old_files_that_stand_at_an_axis() -> None:
    two = {"x": (1, 3, 8, 8), "z": (3,)}
    content = onnx_file([node("Add", "x z", "y", axis=1, broadcast=1)], two, ["y"], opset=6)
    assert "at axis 1 of anything but a constant" in refused(content)


@pytest.mark.parametrize("opset", [6, 12, 13])
def test_dropout_that_trains(opset: int) -> None:
    ratio, yes = np.array(0.5, np.float32), np.array(True)  # an array of it
    made = helper.make_node("Dropout", ["x"] if opset < 12 else ["x", "r", "t"], ["y"], name="drop")
    content = onnx_file([made], IMAGE, ["y"], {} if opset < 12 else {"r": ratio, "t": yes}, opset=opset)
    assert "drop (Dropout in training mode)" in refused(content)


@pytest.mark.parametrize(
    ("made", "constants"),
    [
        (node("Squeeze", "x a", "y"), {"a": NO_AXES}),
        (node("Unsqueeze", "x a", "y"), {"a": np.array([0, 0])}),
        (node("Slice", "x s e a", "y"), {"s": np.array([0]), "e": np.array([1, 2]), "a": np.array([1])}),
        (node("Pad", "x p", "y"), {"p": np.array([1, 1])}),
        (node("Split", "x n", "y"), {"n": np.array([1, 2])}),
        (node("Flatten", "x", "y", axis=7), {}),
        (node("Conv", "x w", "y", kernel_shape=[5, 5]), {"w": floats(2, 3, 3, 3)}),
        (node("Concat", "x x", "y"), {}),
    ],
    ids=lambda value: value.op_type if isinstance(value, onnx.NodeProto) else "",
)
def test_a_node_that_contradicts_itself_is_refused(made: onnx.NodeProto, constants: dict[str, Array]) -> None:
    assert made.op_type in refused(onnx_file([made], IMAGE, ["y"], constants))
