"""Where the batch is in a network's values: answers that could not be told apart by image are refused, others are right.

The judge is onnxruntime on the published file, unoptimised, image by image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest

from accelserve.kernels.devices.cpu import CpuDevice
from accelserve.kernels.devices.reference import ReferenceDevice
from accelserve.kernels.errors import UnsupportedNodesError
from accelserve.kernels.ir import Array
from accelserve.kernels.preprocess import PreprocessSpec
from accelserve.kernels.program import LoadOptions
from accelserve.models.conversion.convert import ConvertOptions, convert
from accelserve.models.errors import ConversionError
from accelserve.models.repository import MODEL_FILE, list_models
from accelserve.models.serving.servable import Servable
from tests.models.importing.onnx_models import floats, node, onnx_file, session

SIDE = 8
SPEC = PreprocessSpec(
    resize="exact", resize_height=SIDE, resize_width=SIDE, interpolation="bilinear", crop_height=SIDE,
    crop_width=SIDE, color_order="RGB", mean=(128.0,) * 3, scale=(1 / 64,) * 3,
)  # fmt: skip
CONV = node("Conv", "x w", "c", pads=[1, 1, 1, 1])
POOL = node("GlobalAveragePool", "c", "g")
WEIGHTS = {"w": floats(8, 3, 3, 3) / np.float32(5)}

Network = tuple[Sequence[onnx.NodeProto], Mapping[str, Array]]


def published(folder: Path, cache: Path, network: Network, batch: int | str = 1) -> Path:
    """The folder of the version that ``convert`` makes of nodes that give ``y``."""
    nodes, constants = network
    read = {name for each in nodes for name in each.input}
    arrays = {name: array for name, array in {**WEIGHTS, **constants}.items() if name in read}
    path = folder / "net.onnx"
    path.write_bytes(onnx_file(nodes, {"x": (batch, 3, SIDE, SIDE)}, ["y"], arrays))
    options = ConvertOptions(name="net", repository=folder / "models", preprocess=SPEC, cache=cache)
    return convert(path, options).directory


REFUSED = {
    "every axis of size 1 squeezed": ([CONV, POOL, node("Squeeze", "g", "y")], {}),
    "pixels as rows": ([CONV, node("Reshape", "c s", "y")], {"s": np.array([-1, 4])}),
    "one long vector": ([CONV, node("Reshape", "c s", "y")], {"s": np.array([-1])}),
    "channels first": ([CONV, POOL, node("Transpose", "g", "y", perm=[1, 0, 2, 3])], {}),
    "a flattened whole": ([CONV, node("Flatten", "c", "y", axis=2)], {}),
    "one channel gathered on the batch": (
        [CONV, node("Gather", "c i", "y", axis=0)], {"i": np.array(0)},
    ),
    "doubled along the batch": ([CONV, node("Concat", "c c", "y", axis=0)], {}),
    "joined with a constant along the batch": (
        [CONV, POOL, node("Concat", "g k", "y", axis=0)], {"k": floats(1, 8, 1, 1)},
    ),
    "widened along the batch": ([CONV, POOL, node("Add", "g k", "y")], {"k": floats(3, 8, 1, 1)}),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_an_output_without_a_batch_axis_is_refused_and_nothing_is_published(
    name: str, tmp_path: Path, code_cache: Path
) -> None:
    with pytest.raises(
        ConversionError, match=r"output 'y' is float32\[.*\] for one image; its first axis must"
    ):
        published(tmp_path, code_cache, REFUSED[name])
    assert list_models(tmp_path / "models") == []


MIXED = {
    "softmax across images": ([CONV, POOL, node("Flatten", "g", "f"), node("Softmax", "f", "y", axis=0)], {}),
    "mean across images": (
        [CONV, node("ReduceMean", "c", "m", axes=[0], keepdims=1), node("Sub", "c m", "y")], {},
    ),
    "greatest across images and pixels": ([CONV, node("ReduceMax", "c", "y", axes=[0, 2, 3], keepdims=1)], {}),
    "the first image alone": (
        [CONV, node("Gather", "c i", "a", axis=0), node("Unsqueeze", "a e", "y")], {"i": np.array(0), "e": np.array([0])},
    ),
    "an axis of size 1 in front of the batch": ([CONV, POOL, node("Transpose", "g", "y", perm=[2, 0, 1, 3])], {}),
    "softmax across the pixels of all images": (
        [CONV, node("Reshape", "c s", "r"), node("Softmax", "r", "p", axis=0), node("Reshape", "p t", "y")],
        {"s": np.array([-1, 8]), "t": np.array([-1, 8, SIDE, SIDE])},
    ),
    "half of the rows of all images": (
        [
            CONV, node("Reshape", "c s", "r"), node("Slice", "r b e", "h"), node("Sigmoid", "h", "q"),
            node("Reshape", "q t", "y"),
        ],
        {"s": np.array([-1, 8]), "b": np.array([0]), "e": np.array([32]), "t": np.array([-1, 4, SIDE, SIDE])},
    ),
    "one of two views of all images": (
        [CONV, node("Concat", "c c", "j", axis=0), node("Split", "j p", "y z", axis=0)], {"p": np.array([1, 1])},
    ),
    "a norm across images": (
        [CONV, POOL, node("Flatten", "g", "f"), node("LpNormalization", "f", "y", axis=0, p=2)], {},
    ),
    "half of the images, moved to channels": (
        [CONV, node("Transpose", "c", "t", perm=[1, 0, 2, 3]), node("Conv", "t u", "q"), node("Transpose", "q", "y", perm=[1, 0, 2, 3])],
        {"u": floats(1, 1, 1, 1)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MIXED)
def test_an_answer_that_depends_on_other_images_is_refused(
    name: str, tmp_path: Path, code_cache: Path
) -> None:
    """onnxruntime, on the same file, answers two images otherwise than one by one, or not at all."""
    nodes, constants = MIXED[name]
    read = {operand for each in nodes for operand in each.input}
    arrays = {key: array for key, array in {**WEIGHTS, **constants}.items() if key in read}
    judge = session(onnx_file(nodes, {"x": ("N", 3, SIDE, SIDE)}, ["y"], arrays), optimize=False)
    images = floats(2, 3, SIDE, SIDE, seed=4)
    try:
        together = judge.run(["y"], {"x": images})[0]
    except Exception:  # noqa: BLE001 - the judge's own refusal of two images
        together = np.zeros(0, np.float32)
    apart = np.concatenate([judge.run(["y"], {"x": image[None]})[0] for image in images])
    assert together.shape != apart.shape or not np.allclose(together, apart, atol=1e-3)
    with pytest.raises(
        (ConversionError, UnsupportedNodesError), match=r"images of a batch|axis must be the batch"
    ):
        published(tmp_path, code_cache, MIXED[name], "N")
    assert list_models(tmp_path / "models") == []


def test_a_file_of_one_image_may_do_with_its_first_axis_what_it_likes(
    tmp_path: Path, code_cache: Path
) -> None:
    """It means nothing for several images, which are computed one by one."""
    nodes = [CONV, POOL, node("Squeeze", "g", "s"), node("Relu", "s", "r"), node("Unsqueeze", "r e", "y")]
    directory = published(tmp_path, code_cache, (nodes, {"e": np.array([0])}))
    servable = Servable.load(directory, device=CpuDevice(), options=LoadOptions(cache=code_cache))
    images = np.random.default_rng(0).uniform(-1.9, 1.9, (2, SIDE, SIDE, 3)).astype(np.float32)
    assert servable.run(servable.quantize(images))["y:0"].shape == (2, 8)
    servable.close()


RIGHT = {
    "a dense layer on a map": (
        [CONV, node("Transpose", "c", "t", perm=[0, 2, 3, 1]), node("MatMul", "t v", "y")], {"v": floats(8, 5)},
    ),
    "a dense layer on a sequence": (
        [CONV, node("Reshape", "c s", "r"), node("Transpose", "r", "t", perm=[0, 2, 1]), node("MatMul", "t v", "y")],
        {"s": np.array([0, 8, -1]), "v": floats(8, 5)},
    ),
    "groups as a batch of two": (
        [
            CONV, node("Reshape", "c a", "r"), node("Conv", "r u", "h", pads=[1, 1, 1, 1]),
            node("Relu", "h", "k"), node("MaxPool", "k", "m", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]),
            node("Reshape", "m b", "y"),
        ],
        {"a": np.array([2, 4, SIDE, SIDE]), "b": np.array([1, 8, 4, 4]), "u": floats(4, 4, 3, 3) / np.float32(5)},
    ),
    "depthwise over windows": (
        [
            CONV, node("Reshape", "c a", "r"), node("Transpose", "r", "t", perm=[0, 2, 4, 1, 3, 5]),
            node("Reshape", "t b", "q"), node("Conv", "q u", "h", pads=[1, 1, 1, 1], group=8), node("Reshape", "h e", "y"),
        ],
        {
            "a": np.array([1, 8, 2, 4, 2, 4]), "b": np.array([4, 8, 4, 4]), "e": np.array([1, 4, 8, 16]),
            "u": floats(8, 1, 3, 3) / np.float32(3),
        },
    ),
    "two views of an image as a batch": (
        [
            CONV, node("Relu", "c", "r"), node("Concat", "c r", "j", axis=0),
            node("Conv", "j u", "h", pads=[1, 1, 1, 1]), node("Reshape", "h e", "y"),
        ],
        {"u": floats(8, 8, 3, 3) / np.float32(8), "e": np.array([1, 2, 8, SIDE, SIDE])},
    ),
    "sums over an inner batch": (
        [
            CONV, node("Reshape", "c a", "r"), node("Relu", "r", "p"), node("Add", "r p", "s"),
            node("AveragePool", "s", "m", kernel_shape=[3, 3], pads=[1, 1, 1, 1]), node("Reshape", "m b", "y"),
        ],
        {"a": np.array([4, 2, SIDE, SIDE]), "b": np.array([1, 8, SIDE, SIDE])},
    ),
    "the input itself": ([node("Identity", "x", "y")], {}),
    "an output made twice": ([CONV, node("Identity", "c", "y")], {}),
    "a constant beside the batch": (
        [CONV, POOL, node("Flatten", "g", "f"), node("Mul", "f k", "m"), node("Concat", "m k", "y", axis=1)],
        {"k": floats(1, 8)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("batch", [1, "N"])
@pytest.mark.parametrize("name", RIGHT)
def test_every_image_of_a_batch_gets_what_onnxruntime_says(
    name: str, batch: int | str, tmp_path: Path, code_cache: Path
) -> None:
    directory = published(tmp_path, code_cache, RIGHT[name], batch)
    judge = session((directory / MODEL_FILE).read_bytes(), optimize=False)
    images = np.random.default_rng(0).uniform(-1.9, 1.9, (3, SIDE, SIDE, 3)).astype(np.float32)
    wanted = np.concatenate(
        [judge.run(["y"], {"x": image[None].transpose(0, 3, 1, 2)})[0] for image in images]
    )
    answers = []
    for device in (CpuDevice(), ReferenceDevice()):
        servable = Servable.load(directory, device=device, options=LoadOptions(cache=code_cache))
        answers.append(servable.run(servable.quantize(images))["y:0"])
        servable.close()
    np.testing.assert_array_equal(answers[0], answers[1])
    assert answers[0].shape == wanted.shape
    assert np.linalg.norm(answers[0] - wanted) <= 0.01 * np.linalg.norm(wanted)
